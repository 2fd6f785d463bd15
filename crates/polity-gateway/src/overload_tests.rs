//! Who is let in, by which bound, and that a place is given up with its request.

use polity_catalog::Catalog;
use polity_core::SplitMix64;
use polity_runtime::Published;

use super::*;
use crate::builder::{Builder, Given};
use crate::bulkheads::Calls;
use crate::policy::Call;

/// More than any test has.
const CONNECTIONS: usize = 4096;
const SLOW: Duration = Duration::from_millis(300);
const TARGET: Option<Duration> = Some(Duration::from_millis(100));

fn service(plan: &str) -> Arc<Service> {
    let loaded = polity_plan::load(polity_plan::Source {
        name: "polity.toml",
        text: plan,
        environment: &|_| None,
    });
    let plan = loaded.plan.expect("a valid plan");
    let builder = Builder::new(
        Arc::new(plan),
        Published::new(Catalog::default()),
        Given::of_a_test(CONNECTIONS),
    );
    builder.current().service("a").expect("it is there").clone()
}

fn gate() -> Gate {
    Gate::new(Arc::default())
}

/// Calls that nothing bounds.
fn calls() -> Pair {
    let plan = polity_plan::load(polity_plan::Source {
        name: "polity.toml",
        text: "[service.b]\nrun = \"b\"\nroute = \"/\"\n",
        environment: &|_| None,
    });
    let plan = plan.plan.expect("a valid plan");
    let name = |name| polity_core::ServiceName::new(name).expect("a name");
    let call = Call {
        caller: name("b"),
        callee: name("a"),
    };
    Pair::new(call, Arc::new(Calls::new(&plan, "b")))
}

fn admit(gate: &Gate, service: &Service, from: Caller<'_>) -> Result<Admission, Refusal> {
    gate.admit(service, from, &mut SplitMix64::new(7), Instant::now())
}

#[test]
fn each_bound_refuses_by_its_own_name_and_gives_back_the_places_before_it() {
    let bound = service(
        "[gateway.limits]\nmax_in_flight = 2\n[service.a]\nrun = \"a\"\nmax_in_flight = 1\n",
    );
    let gate = gate();
    let outside = || admit(&gate, &bound, Caller::Outside);
    let first = outside().expect("there is room");
    assert_eq!(outside().err(), Some(Refusal::Service));
    assert_eq!(
        gate.in_flight.as_ref().count(),
        1,
        "refused, it holds no place at the gateway"
    );
    let call = admit(&gate, &bound, Caller::Service(&calls())).expect("calls count by themselves");
    assert_eq!(gate.in_flight.as_ref().count(), 1);
    drop((first, call));
    assert_eq!(
        (gate.in_flight.as_ref().count(), bound.load.public.count()),
        (0, 0)
    );
    assert_eq!(bound.load.line.as_ref().map(|line| line.waiting()), Some(0));

    let bound = service("[gateway.limits]\nmax_in_flight = 1\n[service.a]\nrun = \"a\"\n");
    let _first = admit(&gate, &bound, Caller::Outside).expect("there is room");
    let second = admit(&gate, &bound, Caller::Outside);
    assert_eq!(second.err(), Some(Refusal::Gateway));
}

#[test]
fn a_thread_that_cannot_keep_up_refuses_a_share_from_outside_and_no_call() {
    let service = service("[service.a]\nrun = \"a\"\n");
    let (gate, pair) = (gate(), calls());
    let mut rng = SplitMix64::new(1);
    let mut refused = |from| {
        let admitted = (0..1000).map(|_| gate.admit(&service, from, &mut rng, Instant::now()));
        admitted.filter(Result::is_err).count()
    };
    assert_eq!(refused(Caller::Outside), 0);
    gate.share.set(0.5);
    assert!((400..600).contains(&refused(Caller::Outside)));
    assert_eq!(refused(Caller::Service(&pair)), 0);
    // As a plan says that has just been put in force.
    gate.waited(SLOW, None);
    assert_eq!(refused(Caller::Outside), 0);
}

#[test]
fn one_delay_is_no_overload() {
    let gate = gate();
    gate.waited(SLOW, TARGET);
    gate.waited(Duration::ZERO, TARGET);
    assert_eq!(gate.share.get(), 0.0);
}

#[test]
fn a_service_is_measured_where_the_plan_lets_it_and_its_latency_can_be_seen() {
    let check = |text: &str, expected| {
        let service = service(text);
        let measured = service.load.line.is_some();
        assert_eq!(measured, expected, "{text}");
    };
    check("[service.a]\nrun = \"a\"\n", true);
    check("[service.a]\nrun = \"a\"\nprotocol = \"tcp\"\n", false);
    let off = "[gateway.limits]\nqueue_delay = false\n[service.a]\nrun = \"a\"\n";
    check(off, false);
}
