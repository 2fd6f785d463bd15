//! Pages in docs with parts that are written by a task.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// Replaces what stands between `<!-- NAME: ... -->` and `<!-- end of NAME -->` on `page`.
pub(crate) fn refresh(root: &Path, page: &str, name: &str, text: &str) -> anyhow::Result<()> {
    let file = root.join(page);
    let old = fs::read_to_string(&file).with_context(|| format!("could not read {page}"))?;
    let new = replaced(&old, name, text);
    fs::write(
        file,
        new.with_context(|| format!("{page} has lost its markers for {name}"))?,
    )?;
    println!("written to {page}");
    Ok(())
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let begin = page.find(&format!("<!-- {name}:"))?;
    let begin = begin + page[begin..].find('\n')?;
    let end = begin + page[begin..].find(&format!("<!-- end of {name} -->"))?;
    Some(format!("{}\n\n{text}\n{}", &page[..begin], &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let page = "a\n<!-- x: by y -->\nold\n<!-- end of x -->\nb\n<!-- z: -->\n<!-- end of z -->";
        let expected =
            "a\n<!-- x: by y -->\n\nnew\n\n<!-- end of x -->\nb\n<!-- z: -->\n<!-- end of z -->";
        assert_eq!(replaced(page, "x", "new\n").as_deref(), Some(expected));
        assert_eq!(replaced(page, "y", "new"), None);
    }
}
