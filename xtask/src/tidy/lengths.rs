//! Files and functions short enough to be read in one go.

use crate::finding::Finding;
use crate::repository::Repository;

/// Lines of a file; the aim is 400.
const MAX_FILE: usize = 500;
/// Lines of a file of tests, which is read case by case.
const MAX_TEST_FILE: usize = 800;
/// Lines of a function, tests aside.
const MAX_FUNCTION: usize = 70;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in repository.sources() {
        let lines = source.text.lines().count();
        let most = if source.is_test {
            MAX_TEST_FILE
        } else {
            MAX_FILE
        };
        if lines > most {
            let message = format!("{lines} lines, and {most} are the most");
            findings.push(Finding::new(
                &source.path,
                most + 1,
                message,
                "split it by what it is about",
            ));
        }
        let functions = source
            .functions()
            .into_iter()
            .filter(|it| !it.in_test && !source.is_test);
        for function in functions.filter(|function| function.length > MAX_FUNCTION) {
            let message = format!(
                "{} has {} lines, and {MAX_FUNCTION} are the most",
                function.name, function.length
            );
            findings.push(Finding::new(
                &source.path,
                function.line,
                message,
                "give its steps names",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn a_long_file_is_found() {
        let long = "// line\n".repeat(501);
        let longer = "// line\n".repeat(801);
        let files = [
            ("a.rs", &*long),
            ("a/tests/b.rs", &*long),
            ("a_tests.rs", &*longer),
        ];
        expect(check, &files, &[("a.rs", 501), ("a_tests.rs", 801)]);
        expect(check, &[("a.rs", &"// line\n".repeat(500))], &[]);
    }

    #[test]
    fn a_long_function_is_found_outside_tests() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
        expect(check, &[("a.rs", &function(71))], &[("a.rs", 1)]);
        expect(check, &[("a.rs", &function(70))], &[]);
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(71));
        expect(check, &[("a.rs", &*test)], &[]);
    }
}
