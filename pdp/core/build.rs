//! Compiles the protobuf contract: messages, the gRPC service and the descriptors that reflection serves.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", protos.display());
    let descriptors = protox::compile(["pdp/decision/v1/decision_service.proto"], [&protos])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::server::codec::Codec")
        .extern_path(".google.protobuf.Struct", "crate::server::structs::Struct")
        .extern_path(".pdp.decision.v1.CheckResponse", "crate::server::answer::Answer")
        .compile_fds(descriptors)?;
    Ok(())
}
