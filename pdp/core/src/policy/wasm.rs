//! The embedded engine: a bundle compiled by OPA to WebAssembly, run by wasmtime. The ABI is OPA's, version 1.2+
//! (<https://www.openpolicyagent.org/docs/wasm>). This file and its folder are the only ones that name wasmtime.

mod instance;

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use wasmtime::{Config, Engine, Module};

use self::instance::Instance;
use super::PolicyEngine;
use crate::error::{EngineError, LoadError};

/// Granularity of the time limit.
const TICK: Duration = Duration::from_millis(5);
/// Instances kept ready; more calls at once than this make short-lived ones.
const KEPT_INSTANCES: usize = 64;

/// Bounds of one evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub time: Duration,
    pub memory_bytes: usize,
}

/// One compiled module and the instances that are free at the moment.
pub struct WasmEngine {
    module: Module,
    data: Vec<u8>,
    entrypoint: String,
    limits: Limits,
    free: ArrayQueue<Instance>,
}

impl WasmEngine {
    /// Compiles `wasm`, loads `data` and tries one instance, so that what cannot run is refused here.
    pub fn load(wasm: &[u8], data: &[u8], entrypoint: &str, limits: Limits) -> Result<Self, LoadError> {
        let refuse = |why: String| LoadError(format!("the compiled policy cannot be loaded: {why}"));
        let engine = shared_engine().map_err(refuse)?;
        let module = Module::new(engine, wasm).map_err(|error| refuse(error.to_string()))?;
        let loaded = Self {
            module,
            data: data.to_vec(),
            entrypoint: entrypoint.to_owned(),
            limits,
            free: ArrayQueue::new(KEPT_INSTANCES),
        };
        let first = loaded.instance().map_err(refuse)?;
        // A full queue only means that the instance is dropped.
        drop(loaded.free.push(first));
        Ok(loaded)
    }

    fn instance(&self) -> Result<Instance, String> {
        Instance::new(&self.module, &self.data, &self.entrypoint, self.limits)
    }

    fn ticks(&self) -> u64 {
        let ticks = self.limits.time.as_millis().div_ceil(TICK.as_millis());
        // The tick under way may end at once: one more keeps the limit a lower bound.
        u64::try_from(ticks).unwrap_or(u64::MAX - 1).saturating_add(1)
    }
}

impl PolicyEngine for WasmEngine {
    fn evaluate(&self, input: &[u8]) -> Result<Vec<u8>, EngineError> {
        let mut instance = match self.free.pop() {
            Some(instance) => instance,
            None => self.instance().map_err(EngineError::Failed)?,
        };
        // INVARIANT: an instance that trapped is dropped here by `?`, its memory may be in any state.
        let result = instance.evaluate(input, self.ticks())?;
        drop(self.free.push(instance));
        Ok(result)
    }
}

/// One wasmtime engine a process, with the thread that moves its clock.
fn shared_engine() -> Result<&'static Engine, String> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE
        .get_or_init(|| {
            let mut config = Config::new();
            config.epoch_interruption(true);
            let engine = Engine::new(&config).map_err(|error| error.to_string())?;
            let clock = engine.weak();
            thread::Builder::new()
                .name("policy-clock".to_owned())
                .spawn(move || {
                    while let Some(engine) = clock.upgrade() {
                        engine.increment_epoch();
                        drop(engine);
                        thread::sleep(TICK);
                    }
                })
                .map_err(|error| error.to_string())?;
            Ok(engine)
        })
        .as_ref()
        .map_err(String::clone)
}
