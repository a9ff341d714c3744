//! Generates the message types from `proto/`, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files =
        ["link", "accounts", "keys", "contacts", "messages"].map(|name| format!("tacite/v1/{name}.proto"));
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
