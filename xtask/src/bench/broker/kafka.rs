//! Apache Kafka: one node in KRaft mode, as its own start script would start it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use super::brokers::{Found, Fsync, KAFKA, Maker, Place};
use crate::bench::contenders::free_address;
use crate::bench::ground::Ground;
use crate::bench::machine;
use crate::dist;

pub(super) const MAKER: Maker = Maker {
    name: KAFKA,
    install: "apt-get install default-jre-headless maven",
    find,
    configure,
    // After how many records the log is flushed, which it is before the answer.
    fsync: Fsync::Topic("flush.messages=1"),
    client: KAFKA,
    compiles_itself: true,
};

/// What names the jars.
const POM: &str = "bench/kafka";
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// As bin/kafka-server-start.sh and bin/kafka-run-class.sh have it, but for JMX and the garbage collector's log.
const JAVA: [&str; 8] = [
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// A cluster's id is any UUID of 22 letters.
const CLUSTER: &str = "cG9saXR5LWJlbmNoLTAwMA";

fn find(ground: &Ground) -> anyhow::Result<Option<Found>> {
    let (Some(program), Some(maven)) = (machine::find("java"), machine::find("mvn")) else {
        return Ok(None);
    };
    let pom = ground.root.join(POM);
    let text = fs::read_to_string(pom.join("pom.xml"))?;
    let version = version(&text).context("bench/kafka/pom.xml names no version of Kafka")?;
    let jars = dist::target(&ground.root)
        .join("bench")
        .join(format!("kafka-{version}"));
    if !jars.is_dir() {
        println!("resolving the jars of Kafka {version}");
        resolve(&maven, &pom, &jars)?;
    }
    let java = machine::output(&program.to_string_lossy(), &["-version"]);
    Ok(Some(Found {
        program,
        version: format!("Apache Kafka {version} on {java}"),
        home: jars,
    }))
}

/// The version of the artifact, which the pom names first after it.
fn version(pom: &str) -> Option<&str> {
    let (_, after) = pom.split_once("<artifactId>kafka_2.13</artifactId>")?;
    let (_, after) = after.split_once("<version>")?;
    Some(after.split_once("</version>")?.0.trim())
}

/// In one stroke: what is half there is not used.
fn resolve(maven: &Path, pom: &Path, jars: &Path) -> anyhow::Result<()> {
    let partial = jars.with_extension("partial");
    let output = Command::new(maven)
        .args(["--batch-mode", "--quiet", PLUGIN])
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .current_dir(pom)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "could not resolve its jars: {}",
        said.trim()
    );
    fs::rename(&partial, jars)?;
    Ok(())
}

fn configure(place: &Place<'_>) -> anyhow::Result<Vec<String>> {
    let controller = free_address()?;
    let (address, data) = (place.address, place.folder.join("data"));
    // All else as it comes; files are gone a second after their topic, lest they fill the disk.
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\n\
         controller.quorum.voters=1@{controller}\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://{address},CONTROLLER://{controller}\nadvertised.listeners=PLAINTEXT://{address}\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         log.dirs={}\nlog.segment.delete.delay.ms=1000\n\
         offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n",
        data.display()
    );
    let properties = place.folder.join("server.properties");
    fs::write(&properties, text)?;
    let properties = properties.display().to_string();
    let jars = place.found.home.join("*").display().to_string();
    let class_path = ["-cp", &jars];
    let format = Command::new(&place.found.program)
        .args(class_path)
        .args([
            "kafka.tools.StorageTool",
            "format",
            "-t",
            CLUSTER,
            "-c",
            &properties,
        ])
        .output()?;
    let said = String::from_utf8_lossy(&format.stderr);
    ensure!(
        format.status.success(),
        "could not format its log: {}",
        said.trim()
    );
    let main = ["kafka.Kafka", &properties];
    let arguments = [JAVA.as_slice(), &class_path, &main].concat();
    Ok(arguments.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_poms() {
        let pom =
            "<version>1</version><artifactId>kafka_2.13</artifactId>\n <version>4.1.1</version>";
        assert_eq!(version(pom), Some("4.1.1"));
        assert_eq!(version("<version>1</version>"), None);
    }
}
