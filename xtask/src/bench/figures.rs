//! What was measured: samples by workload, metric and contender, and what they come to.

use serde_json::{Value, json};

/// What a sample is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
}

pub(super) const CPU: Metric = Metric {
    name: "CPU per request",
    unit: "us",
};
pub(super) const RATE: Metric = Metric {
    name: "requests per second",
    unit: "/s",
};

/// All samples of one metric of one contender on one workload, one for each round.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) workload: &'static str,
    pub(super) metric: Metric,
    pub(super) contender: String,
    pub(super) samples: Vec<f64>,
    /// Why it is not to be believed; empty if nothing failed.
    pub(super) defects: Vec<String>,
}

/// In the order in which they were first measured.
#[derive(Debug, Default)]
pub(super) struct Figures(Vec<Figure>);

impl Figures {
    pub(super) fn add(
        &mut self,
        workload: &'static str,
        metric: Metric,
        contender: &str,
        value: f64,
    ) {
        self.entry(workload, metric, contender).samples.push(value);
    }

    /// Makes the figure invalid and says why.
    pub(super) fn defect(
        &mut self,
        workload: &'static str,
        metric: Metric,
        contender: &str,
        defect: &str,
    ) {
        let figure = self.entry(workload, metric, contender);
        figure.defects.push(defect.to_owned());
    }

    pub(super) fn all(&self) -> &[Figure] {
        &self.0
    }

    pub(super) fn find(&self, workload: &str, metric: Metric, contender: &str) -> Option<&Figure> {
        self.0.iter().find(|figure| {
            figure.workload == workload && figure.metric == metric && figure.contender == contender
        })
    }

    fn entry(&mut self, workload: &'static str, metric: Metric, contender: &str) -> &mut Figure {
        let place = self.0.iter().position(|figure| {
            figure.workload == workload && figure.metric == metric && figure.contender == contender
        });
        let place = place.unwrap_or_else(|| {
            self.0.push(Figure {
                workload,
                metric,
                contender: contender.to_owned(),
                samples: Vec::new(),
                defects: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

impl Figure {
    pub(super) fn median(&self) -> Option<f64> {
        median(&self.samples)
    }

    pub(super) fn is_valid(&self) -> bool {
        self.defects.is_empty() && !self.samples.is_empty()
    }

    /// The median of what this one has over what `other` has in the same round: what slows the machine
    /// for a while slows both.
    pub(super) fn ratio(&self, other: &Self) -> Option<f64> {
        let pairs = self.samples.iter().zip(&other.samples);
        let ratios: Vec<f64> = pairs.map(|(mine, theirs)| mine / theirs).collect();
        median(&ratios).filter(|_| self.is_valid() && other.is_valid())
    }

    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let least = self.samples.iter().copied().reduce(f64::min)?;
        let most = self.samples.iter().copied().reduce(f64::max)?;
        Some((least, most))
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "workload": self.workload,
            "metric": self.metric.name,
            "unit": self.metric.unit,
            "contender": self.contender,
            "median": self.median(),
            "min": self.range().map(|(least, _)| least),
            "max": self.range().map(|(_, most)| most),
            "samples": self.samples,
            "defects": self.defects,
        })
    }
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut figures = Figures::default();
        // The machine was three times as slow in the second round.
        for (mine, theirs) in [(8.0, 10.0), (24.0, 30.0), (9.0, 10.0)] {
            figures.add("w", CPU, "a", mine);
            figures.add("w", CPU, "b", theirs);
        }
        let figure = |name: &str| figures.find("w", CPU, name).expect("measured");
        assert_eq!(figure("a").ratio(figure("b")), Some(0.8));
        assert_eq!(figure("a").range(), Some((8.0, 24.0)));
    }

    #[test]
    fn a_defect_makes_a_figure_invalid() {
        let mut figures = Figures::default();
        figures.add("w", CPU, "a", 1.0);
        figures.add("w", CPU, "b", 1.0);
        figures.defect("w", CPU, "a", "one answer was a 502");
        let figure = |name: &str| figures.find("w", CPU, name).expect("measured");
        assert_eq!(figure("b").ratio(figure("a")), None);
        assert!(figure("b").is_valid());
    }
}
