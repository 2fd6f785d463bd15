//! The gateway's listeners: the public one, and one for each call the plan declares.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use polity_core::ServiceName;
use polity_http::socket::{Claim, Sharing, listen, listen_shared};
use polity_http::{ListenerId, Server};
use polity_plan::{ListenAddress, Plan};

use crate::bulkheads::{Calls, Pair};
use crate::policy::{Call, GatewayPolicy, Listener};

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The public one.
    #[error(
        "cannot listen on {address} for the gateway: {source}; `listen` under [gateway] changes the address"
    )]
    Public {
        /// As the plan has it.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// One for a call.
    #[error(
        "cannot listen on a free port of 127.0.0.1 for calls of `{caller}` to `{callee}`: {source}"
    )]
    Call {
        /// Who calls.
        caller: String,
        /// Whom.
        callee: String,
        /// What the system says.
        source: io::Error,
    },
}

/// The listeners in force, and how to reach each.
pub(crate) struct Listeners {
    server: Server<GatewayPolicy>,
    next_id: u64,
    public: Open,
    /// Those that were the public one before it moved: their last requests may be on their way still.
    moved: Vec<ListenerId>,
    calls: BTreeMap<Arc<Call>, Open>,
    /// What each caller has in flight.
    callers: BTreeMap<ServiceName, Arc<Calls>>,
}

/// The addresses in force.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    /// What clients there have to trust, where that is of this machine.
    pub(crate) local_authority: Option<PathBuf>,
    pub(crate) calls: BTreeMap<Arc<Call>, SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    id: ListenerId,
    address: SocketAddr,
}

impl Listeners {
    /// Opens all that `plan` asks for.
    pub(crate) async fn open(
        server: Server<GatewayPolicy>,
        plan: &Plan,
    ) -> Result<Self, ListenError> {
        let mut next_id = 0;
        let listen = &plan.gateway.listen;
        let public = open_public(&server, listen, Claim::Alone, &mut next_id).await?;
        let mut listeners = Self {
            server,
            next_id,
            public,
            moved: Vec::new(),
            calls: BTreeMap::new(),
            callers: BTreeMap::new(),
        };
        listeners.open_calls(plan).await?;
        Ok(listeners)
    }

    /// The public listener, and all that were it before.
    pub(crate) fn public(&self) -> Arc<[ListenerId]> {
        let before = self.moved.iter().copied();
        before.chain([self.public.id]).collect()
    }

    pub(crate) fn addresses(&self, local_authority: Option<PathBuf>) -> Addresses {
        let calls = self.calls.iter();
        Addresses {
            public: self.public.address,
            local_authority,
            calls: calls
                .map(|(call, open)| (call.clone(), open.address))
                .collect(),
        }
    }

    /// Opens what `after` has and `before` has not. What fails leaves all that was there in force.
    /// With it, the listeners to close once `after` is in force.
    pub(crate) async fn extend(
        &mut self,
        before: &Plan,
        after: &Plan,
    ) -> Result<Vec<ListenerId>, ListenError> {
        self.open_calls(after).await?;
        let mut obsolete = Vec::new();
        let listen = &after.gateway.listen;
        if *listen != before.gateway.listen {
            let claim = match listen.port == self.public.address.port() {
                true => Claim::BesideOurs,
                false => Claim::Alone,
            };
            let fresh = open_public(&self.server, listen, claim, &mut self.next_id).await?;
            obsolete.extend(&self.moved);
            let before = std::mem::replace(&mut self.public, fresh).id;
            self.moved.push(before);
            obsolete.push(before);
        }
        let declared = declared(after);
        self.calls.retain(|call, open| {
            let stays = declared.contains(&**call);
            if !stays {
                obsolete.push(open.id);
            }
            stays
        });
        for (caller, calls) in &self.callers {
            calls.follow(after, caller.as_str());
        }
        Ok(obsolete)
    }

    /// Stops accepting on those; their connections end with the request they are at. Where the public
    /// listener has moved, clients get to make that request: what it was before, and nothing older.
    pub(crate) async fn close(&self, obsolete: Vec<ListenerId>) {
        for id in obsolete {
            match self.moved.last() == Some(&id) {
                true => self.server.retire(id).await,
                false => self.server.close(id).await,
            }
        }
    }

    async fn open_calls(&mut self, plan: &Plan) -> Result<(), ListenError> {
        for call in declared(plan) {
            if !self.calls.contains_key(&call) {
                let call = Arc::new(call);
                let caller = call.caller.as_str();
                let in_flight = match self.callers.get(caller) {
                    Some(calls) => calls.clone(),
                    None => Arc::new(Calls::new(plan, caller)),
                };
                self.callers.insert(call.caller.clone(), in_flight.clone());
                let open =
                    self.open_call(&call, in_flight)
                        .await
                        .map_err(|source| ListenError::Call {
                            caller: call.caller.to_string(),
                            callee: call.callee.to_string(),
                            source,
                        })?;
                self.calls.insert(call, open);
            }
        }
        Ok(())
    }

    /// One socket on one thread: of several that share a port, closing one resets what queued on it.
    async fn open_call(&mut self, call: &Call, in_flight: Arc<Calls>) -> io::Result<Open> {
        let socket = listen((Ipv4Addr::LOCALHOST, 0).into(), Sharing::Exclusive)?;
        let address = socket.local_addr()?;
        let id = ListenerId(self.next_id);
        self.next_id += 1;
        let thread = self.calls.len();
        let pair = Arc::new(Pair::new(call.clone(), in_flight));
        self.server
            .listen(id, thread, socket, Listener::Call(pair))
            .await?;
        Ok(Open { id, address })
    }
}

async fn open_public(
    server: &Server<GatewayPolicy>,
    listen: &ListenAddress,
    claim: Claim,
    next_id: &mut u64,
) -> Result<Open, ListenError> {
    let failed = |source| ListenError::Public {
        address: match listen.host {
            Some(host) => SocketAddr::new(host, listen.port).to_string(),
            None => format!(":{}", listen.port),
        },
        source,
    };
    let sockets =
        listen_shared(listen.host, listen.port, server.threads(), claim).map_err(failed)?;
    let address = sockets.first().map(std::net::TcpListener::local_addr);
    let address = address
        .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
        .map_err(failed)?;
    let id = ListenerId(*next_id);
    *next_id += 1;
    for (thread, socket) in sockets.into_iter().enumerate() {
        server
            .listen(id, thread, socket, Listener::Public)
            .await
            .map_err(failed)?;
    }
    Ok(Open { id, address })
}

/// Every call of the plan to a service that can be called.
fn declared(plan: &Plan) -> BTreeSet<Call> {
    let services = plan.services.values();
    let calls = services.flat_map(|service| {
        service.calls.iter().map(|callee| Call {
            caller: service.name.clone(),
            callee: callee.clone(),
        })
    });
    calls.collect()
}
