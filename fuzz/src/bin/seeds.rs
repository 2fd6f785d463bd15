//! Fills `target/corpus/` with what the targets begin from.

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    polity_fuzz::write_seeds(&folder.join("target/corpus"))
}
