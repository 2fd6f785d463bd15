//! `polity groups`: who consumes what, and how far behind.

use std::io;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use polity_console::view::Group;

use super::topics::print;
use crate::cli::Global;
use crate::client::Client;
use crate::style::Style;
use crate::table::{Column, Table};

/// Show the consumer groups and how far they are behind
#[derive(Debug, Args)]
pub struct Groups {
    /// Only this group, partition by partition
    group: Option<String>,
}

pub fn run(args: &Groups, global: &Global) -> Result<ExitCode> {
    let groups: Vec<Group> = Client::connect(global)?.get("/api/v1/groups")?;
    let mut out = io::stdout().lock();
    let style = Style::of(&out);
    let Some(name) = &args.group else {
        print(&mut out, global, &groups, |groups| list(groups, style))?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(group) = groups.into_iter().find(|group| group.name == *name) else {
        bail!("there is no group `{name}`: `polity groups` lists those there are");
    };
    print(&mut out, global, &group, |group| offsets(group, style))?;
    Ok(ExitCode::SUCCESS)
}

fn list(groups: &[Group], style: Style) -> String {
    let mut table = Table::new([
        Column::Left("GROUP"),
        Column::Left("STATE"),
        Column::Right("MEMBERS"),
        Column::Right("LAG"),
        Column::Left("TOPICS"),
    ]);
    for group in groups {
        let mut topics: Vec<&str> = group.offsets.iter().map(|at| at.topic.as_str()).collect();
        topics.dedup();
        table.row([
            group.name.as_str().into(),
            group.state.as_str().into(),
            group.members.to_string().into(),
            group.lag.to_string().into(),
            topics.join(", ").into(),
        ]);
    }
    table.render(style)
}

fn offsets(group: &Group, style: Style) -> String {
    let mut table = Table::new([
        Column::Left("TOPIC"),
        Column::Right("PARTITION"),
        Column::Right("COMMITTED"),
        Column::Right("END"),
        Column::Right("LAG"),
    ]);
    for at in &group.offsets {
        table.row([
            at.topic.as_str().into(),
            at.partition.to_string().into(),
            at.committed.to_string().into(),
            at.end.map(|end| end.to_string()).into(),
            at.lag.map(|lag| lag.to_string()).into(),
        ]);
    }
    table.render(style)
}

#[cfg(test)]
mod tests {
    use polity_console::view::GroupOffset;

    use super::*;

    fn group() -> Group {
        let at = |topic: &str, partition, committed, end: Option<i64>| GroupOffset {
            topic: topic.to_owned(),
            partition,
            committed,
            end,
            lag: end.map(|end| (end - committed) as u64),
        };
        Group {
            name: "tracker".to_owned(),
            state: "Stable".to_owned(),
            members: 2,
            lag: 3,
            offsets: vec![
                at("order.placed", 0, 7, Some(10)),
                at("order.placed", 1, 5, None),
            ],
        }
    }

    #[test]
    fn groups_are_a_line_each() {
        let expected = "\
GROUP    STATE   MEMBERS  LAG  TOPICS
tracker  Stable        2    3  order.placed
";
        assert_eq!(list(&[group()], Style::Plain), expected);
    }

    #[test]
    fn one_group_is_shown_by_partition() {
        let expected = "\
TOPIC         PARTITION  COMMITTED  END  LAG
order.placed          0          7   10    3
order.placed          1          5    -    -
";
        assert_eq!(offsets(&group(), Style::Plain), expected);
    }
}
