//! Sends pre-encoded requests to one server over gRPC, REST or HTTP and prints what it measured as one line of JSON.
//!
//! Two loops: closed (every stream sends its next request as soon as it has its answer: capacity) and open
//! (requests fall due at random at a fixed mean rate, and latency counts from that moment: waiting is not left out).
#![allow(clippy::arithmetic_side_effects)] // a measuring tool, not on the path of a decision

mod bodies;
mod grpc;
mod http;
mod process;
mod rest;
mod run;
mod settings;

use std::process::ExitCode;

use settings::Settings;

/// What went wrong, as one sentence.
type Failure = Box<dyn std::error::Error>;

fn measure() -> Result<String, Failure> {
    let settings = Settings::from_arguments(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = tokio::task::LocalSet::new().block_on(&runtime, run::run(&settings))?;
    Ok(report.to_string())
}

fn main() -> ExitCode {
    match measure() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("pdp-bench-load: {failure}");
            ExitCode::FAILURE
        }
    }
}
