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
use crate::plain::PlainPort;
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
    /// The one that sends to HTTPS.
    #[error(
        "cannot listen on {address} for plain HTTP: {source}; `listen_http` under [gateway] changes the address, and `false` does without"
    )]
    Plain {
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
    plain: Option<Plain>,
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
    /// Where requests are sent to HTTPS from.
    pub(crate) plain: Option<SocketAddr>,
    /// What clients there have to trust, where that is of this machine.
    pub(crate) local_authority: Option<PathBuf>,
    pub(crate) calls: BTreeMap<Arc<Call>, SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    id: ListenerId,
    address: SocketAddr,
}

/// What sends to HTTPS, and knows where that is.
struct Plain {
    open: Open,
    port: Arc<PlainPort>,
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
        let plain = match &plan.gateway.listen_http {
            None => None,
            Some(listen) => {
                let https = public.address.port();
                Some(open_plain(&server, listen, Claim::Alone, https, &mut next_id).await?)
            }
        };
        let mut listeners = Self {
            server,
            next_id,
            public,
            plain,
            moved: Vec::new(),
            calls: BTreeMap::new(),
            callers: BTreeMap::new(),
        };
        listeners.open_calls(plan).await?;
        Ok(listeners)
    }

    /// The listeners for clients from outside, and all that were such before.
    pub(crate) fn public(&self) -> Arc<[ListenerId]> {
        let before = self.moved.iter().copied();
        let plain = self.plain.as_ref().map(|plain| plain.open.id);
        before.chain([self.public.id]).chain(plain).collect()
    }

    pub(crate) fn addresses(&self, local_authority: Option<PathBuf>) -> Addresses {
        let calls = self.calls.iter();
        Addresses {
            public: self.public.address,
            plain: self.plain.as_ref().map(|plain| plain.open.address),
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
        let fresh = self.fresh_plain(before, after).await?;
        let mut obsolete = match self.extend_public(before, after).await {
            Ok(obsolete) => obsolete,
            Err(error) => {
                if let Some(Some(fresh)) = fresh {
                    self.server.close(fresh.open.id).await;
                }
                return Err(error);
            }
        };
        if let Some(fresh) = fresh {
            let before = std::mem::replace(&mut self.plain, fresh);
            obsolete.extend(before.map(|plain| plain.open.id));
        }
        if let Some(plain) = &self.plain {
            plain.port.follow(self.public.address.port());
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

    async fn extend_public(
        &mut self,
        before: &Plan,
        after: &Plan,
    ) -> Result<Vec<ListenerId>, ListenError> {
        let mut obsolete = Vec::new();
        let listen = &after.gateway.listen;
        if *listen != before.gateway.listen {
            let claim = claim(listen, self.public.address);
            let fresh = open_public(&self.server, listen, claim, &mut self.next_id).await?;
            obsolete.extend(&self.moved);
            let before = std::mem::replace(&mut self.public, fresh).id;
            self.moved.push(before);
            obsolete.push(before);
        }
        Ok(obsolete)
    }

    /// What is to send to HTTPS from here on; none where that stays as it is.
    async fn fresh_plain(
        &mut self,
        before: &Plan,
        after: &Plan,
    ) -> Result<Option<Option<Plain>>, ListenError> {
        let listen = &after.gateway.listen_http;
        if *listen == before.gateway.listen_http {
            return Ok(None);
        }
        let Some(listen) = listen else {
            return Ok(Some(None));
        };
        let claim = match &self.plain {
            Some(plain) => claim(listen, plain.open.address),
            None => Claim::Alone,
        };
        let https = self.public.address.port();
        let fresh = open_plain(&self.server, listen, claim, https, &mut self.next_id).await?;
        Ok(Some(Some(fresh)))
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
        address: spelled(listen),
        source,
    };
    let sockets = Sockets::bind(server, listen, claim).map_err(failed)?;
    let serving = sockets.serve(server, next_id, Listener::Public);
    serving.await.map_err(failed)
}

async fn open_plain(
    server: &Server<GatewayPolicy>,
    listen: &ListenAddress,
    claim: Claim,
    https: u16,
    next_id: &mut u64,
) -> Result<Plain, ListenError> {
    let failed = |source| ListenError::Plain {
        address: spelled(listen),
        source,
    };
    let sockets = Sockets::bind(server, listen, claim).map_err(failed)?;
    let port = Arc::new(PlainPort::new(sockets.address.port(), https));
    let serving = sockets.serve(server, next_id, Listener::Plain(port.clone()));
    let open = serving.await.map_err(failed)?;
    Ok(Plain { open, port })
}

/// One socket for each thread, on one address.
struct Sockets {
    all: Vec<std::net::TcpListener>,
    address: SocketAddr,
}

impl Sockets {
    fn bind(
        server: &Server<GatewayPolicy>,
        listen: &ListenAddress,
        claim: Claim,
    ) -> io::Result<Self> {
        let all = listen_shared(listen.host, listen.port, server.threads(), claim)?;
        let address = all.first().map(std::net::TcpListener::local_addr);
        let address = address.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))?;
        Ok(Self { all, address })
    }

    async fn serve(
        self,
        server: &Server<GatewayPolicy>,
        next_id: &mut u64,
        listener: Listener,
    ) -> io::Result<Open> {
        let id = ListenerId(*next_id);
        *next_id += 1;
        for (thread, socket) in self.all.into_iter().enumerate() {
            server.listen(id, thread, socket, listener.clone()).await?;
        }
        let address = self.address;
        Ok(Open { id, address })
    }
}

fn spelled(listen: &ListenAddress) -> String {
    match listen.host {
        Some(host) => SocketAddr::new(host, listen.port).to_string(),
        None => format!(":{}", listen.port),
    }
}

/// What is to be listened on where one of ours listens at `before`.
fn claim(listen: &ListenAddress, before: SocketAddr) -> Claim {
    match listen.port == before.port() {
        true => Claim::BesideOurs,
        false => Claim::Alone,
    }
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
