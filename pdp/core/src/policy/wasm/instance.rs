//! One instance of a compiled policy: its memory holds the bundle's data, then the input of one call.

use std::collections::BTreeMap;

use wasmtime::{
    ExternType, Instance as WasmInstance, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder,
    TypedFunc,
};

use super::Limits;
use crate::error::EngineError;

/// Entry point, data, input, its length, heap, format: `opa_eval` with the reserved word left at 0.
type Eval = TypedFunc<(i32, i32, i32, i32, i32, i32, i32), i32>;

const PAGE: usize = 65_536;
/// Result as JSON text.
const FORMAT_JSON: i32 = 0;
/// Loading is not bounded by the time limit of an evaluation, only by this many ticks.
const LOAD_TICKS: u64 = 2_000;

pub struct Instance {
    store: Store<StoreLimits>,
    memory: Memory,
    eval: Eval,
    entrypoint: i32,
    data: i32,
    /// Everything below belongs to the bundle's data; each call starts here again.
    heap: usize,
}

impl Instance {
    /// The error is the reason, for a sentence.
    pub fn new(module: &Module, data: &[u8], entrypoint: &str, limits: Limits) -> Result<Self, String> {
        let text = |error: wasmtime::Error| format!("{error:#}");
        let mut store =
            Store::new(module.engine(), StoreLimitsBuilder::new().memory_size(limits.memory_bytes).build());
        store.limiter(|limits| limits);
        store.set_epoch_deadline(LOAD_TICKS);
        let mut linker = Linker::new(module.engine());
        let memory = import_host(module, &mut store, &mut linker).map_err(text)?;
        let instance = linker.instantiate(&mut store, module).map_err(text)?;
        let mut loader = Loader { store: &mut store, memory, instance };
        let missing: Vec<String> = loader.table("builtins")?.into_keys().collect();
        if !missing.is_empty() {
            return Err(format!("it calls built-ins that this engine does not have: {}", missing.join(", ")));
        }
        let entrypoint = *loader
            .table("entrypoints")?
            .get(entrypoint)
            .ok_or_else(|| format!("it was not compiled for the entrypoint {entrypoint:?}"))?;
        let data = loader.json(data)?;
        let heap = loader.call0("opa_heap_ptr_get")?;
        let eval: Eval = instance.get_typed_func(&mut store, "opa_eval").map_err(text)?;
        let heap = usize::try_from(heap).map_err(|error| error.to_string())?;
        Ok(Self { store, memory, eval, entrypoint, data, heap })
    }

    /// Runs the entrypoint on an input document. After an error the instance must not be used again.
    pub fn evaluate(&mut self, input: &[u8], ticks: u64) -> Result<Vec<u8>, EngineError> {
        let failed = |error: wasmtime::Error| EngineError::Failed(format!("{error:#}"));
        let end = self.heap.saturating_add(input.len()).next_multiple_of(16);
        reserve(&mut self.store, self.memory, end).map_err(failed)?;
        self.memory.write(&mut self.store, self.heap, input).map_err(|error| failed(error.into()))?;
        self.store.set_epoch_deadline(ticks);
        let address = |value: usize| i32::try_from(value).map_err(|error| EngineError::Failed(error.to_string()));
        let arguments = (
            0,
            self.entrypoint,
            self.data,
            address(self.heap)?,
            address(input.len())?,
            address(end)?,
            FORMAT_JSON,
        );
        let result = self.eval.call(&mut self.store, arguments).map_err(failed)?;
        result_document(text_at(self.memory.data(&self.store), result).map_err(EngineError::Failed)?)
    }
}

/// OPA gives `[{"result":…}]`, or `[]` when undefined.
fn result_document(result: &[u8]) -> Result<Vec<u8>, EngineError> {
    let result = result.trim_ascii();
    if result == b"[]" {
        return Err(EngineError::Undefined);
    }
    result
        .strip_prefix(br#"[{"result":"#)
        .and_then(|rest| rest.strip_suffix(b"}]"))
        .map(<[u8]>::to_vec)
        .ok_or_else(|| EngineError::Failed("the result is not a result set of one".to_owned()))
}

/// Gives the module what it imports: its memory, `opa_abort`, and built-ins that are never reached.
fn import_host(
    module: &Module,
    store: &mut Store<StoreLimits>,
    linker: &mut Linker<StoreLimits>,
) -> wasmtime::Result<Memory> {
    let memory_type = module
        .imports()
        .find_map(|import| match import.ty() {
            ExternType::Memory(memory) => Some(memory),
            _ => None,
        })
        .ok_or_else(|| wasmtime::Error::msg("it imports no memory, so OPA did not compile it"))?;
    let memory = Memory::new(&mut *store, memory_type)?;
    linker.define(&mut *store, "env", "memory", memory)?;
    linker.func_wrap("env", "opa_abort", move |caller: wasmtime::Caller<'_, StoreLimits>, address: i32| {
        let reason = text_at(memory.data(&caller), address)
            .map_or_else(|error| error, |text| String::from_utf8_lossy(text).into_owned());
        Err::<(), _>(wasmtime::Error::msg(reason))
    })?;
    linker.func_wrap("env", "opa_println", |_: i32| {})?;
    // INVARIANT: a module that names any built-in is refused above, so these only satisfy the linker.
    let refuse = || Err::<i32, _>(wasmtime::Error::msg("a built-in that this engine does not have"));
    linker.func_wrap("env", "opa_builtin0", move |_: i32, _: i32| refuse())?;
    linker.func_wrap("env", "opa_builtin1", move |_: i32, _: i32, _: i32| refuse())?;
    linker.func_wrap("env", "opa_builtin2", move |_: i32, _: i32, _: i32, _: i32| refuse())?;
    linker.func_wrap("env", "opa_builtin3", move |_: i32, _: i32, _: i32, _: i32, _: i32| refuse())?;
    linker.func_wrap("env", "opa_builtin4", move |_: i32, _: i32, _: i32, _: i32, _: i32, _: i32| refuse())?;
    Ok(memory)
}

/// Calls of the module while it is being loaded; every error is a text for a sentence.
struct Loader<'a> {
    store: &'a mut Store<StoreLimits>,
    memory: Memory,
    instance: WasmInstance,
}

impl Loader<'_> {
    fn call0(&mut self, name: &str) -> Result<i32, String> {
        let function: TypedFunc<(), i32> =
            self.instance.get_typed_func(&mut *self.store, name).map_err(|error| error.to_string())?;
        function.call(&mut *self.store, ()).map_err(|error| format!("{name}: {error:#}"))
    }

    fn call1(&mut self, name: &str, argument: i32) -> Result<i32, String> {
        let function: TypedFunc<i32, i32> =
            self.instance.get_typed_func(&mut *self.store, name).map_err(|error| error.to_string())?;
        function.call(&mut *self.store, argument).map_err(|error| format!("{name}: {error:#}"))
    }

    /// `builtins` and `entrypoints`: a JSON object of name → number.
    fn table(&mut self, name: &str) -> Result<BTreeMap<String, i32>, String> {
        let value = self.call0(name)?;
        let address = self.call1("opa_json_dump", value)?;
        let text = text_at(self.memory.data(&*self.store), address)?;
        serde_json::from_slice(text).map_err(|error| format!("{name}: {error}"))
    }

    /// Puts a JSON text in the module's memory and parses it there; gives the address of the value.
    fn json(&mut self, text: &[u8]) -> Result<i32, String> {
        let length = i32::try_from(text.len()).map_err(|error| error.to_string())?;
        let address = self.call1("opa_malloc", length)?;
        let offset = usize::try_from(address).map_err(|error| error.to_string())?;
        self.memory.write(&mut *self.store, offset, text).map_err(|error| error.to_string())?;
        let parse: TypedFunc<(i32, i32), i32> =
            self.instance.get_typed_func(&mut *self.store, "opa_json_parse").map_err(|error| error.to_string())?;
        match parse.call(&mut *self.store, (address, length)).map_err(|error| format!("{error:#}"))? {
            0 => Err("the bundle's data is not JSON".to_owned()),
            value => Ok(value),
        }
    }
}

/// Grows the memory to hold `end` bytes and some room to work in; the limits of the store bound it.
fn reserve(store: &mut Store<StoreLimits>, memory: Memory, end: usize) -> wasmtime::Result<()> {
    let lacking = end.saturating_add(PAGE).saturating_sub(memory.data_size(&*store));
    if lacking > 0 {
        memory.grow(store, u64::try_from(lacking.div_ceil(PAGE))?)?;
    }
    Ok(())
}

/// The text that ends with a zero byte at an address.
fn text_at(memory: &[u8], address: i32) -> Result<&[u8], String> {
    let outside = || "the policy gave an address outside its memory".to_owned();
    let rest = usize::try_from(address).ok().and_then(|start| memory.get(start..)).ok_or_else(outside)?;
    let length = rest.iter().position(|byte| *byte == 0).ok_or_else(outside)?;
    rest.get(..length).ok_or_else(outside)
}
