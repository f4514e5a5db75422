//! The same contract as the sidecar's, so that the echo decodes and encodes the same messages.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo:rerun-if-changed={root}/pdp/decision/v1");
    let descriptors = protox::compile(["pdp/decision/v1/decision_service.proto"], [root])?;
    tonic_prost_build::configure().build_client(false).compile_fds(descriptors)?;
    Ok(())
}
