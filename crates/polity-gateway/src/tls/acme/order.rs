//! One order: from a domain to its certificate, or from wherever the last attempt was interrupted.
//!
//! What would be lost by a crash is on the disk before the authority hears of it: the order's place and the key
//! that its certificate will be for. An order that went through is downloaded again, not made again.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeHandle, ChallengeType,
    Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use polity_core::Clock;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::challenges::{Challenges, Shown};
use super::failure::{Cause, Failure};
use super::store::{Pending, Record, Store};
use crate::tls::certificate::Facts;

/// How long an authority may take to look at a proof, and to sign, in turn.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// What an order needs.
pub(super) struct Desk<'a> {
    pub(super) account: &'a Account,
    pub(super) store: &'a Store,
    pub(super) challenges: &'a Arc<Challenges>,
    pub(super) provider: &'a CryptoProvider,
    pub(super) domain: &'a str,
    /// How the domain is proved, where the authority offers that.
    pub(super) kind: ChallengeType,
    /// What the certificate stands in for, where the authority wants to know.
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
    pub(super) clock: &'a dyn Clock,
}

impl Desk<'_> {
    /// Gets a certificate and puts it into the store.
    pub(super) async fn obtain(&self, record: &mut Record) -> Result<(), Failure> {
        let ended = self.go_on(record).await;
        match &ended {
            Ok(()) => *record = Record::default(),
            // Another order may fare better.
            Err(failure) if matches!(failure.cause, Cause::Refused | Cause::NoAccount) => {
                record.order = None;
            }
            Err(_) => {}
        }
        ended
    }

    async fn go_on(&self, record: &mut Record) -> Result<(), Failure> {
        let (mut order, key) = match self.resume(record).await? {
            Some(resumed) => resumed,
            None => self.begin(record).await?,
        };
        if order.state().status == OrderStatus::Pending {
            self.prove(&mut order).await?;
        }
        if order.state().status == OrderStatus::Ready {
            let mut params = CertificateParams::new([self.domain.to_owned()])?;
            params.distinguished_name = DistinguishedName::new();
            let request = params.serialize_request(&key)?;
            order.finalize_csr(request.der()).await?;
        }
        let chain = order.poll_certificate(&PATIENCE).await?;
        let key = key.serialize_pem();
        self.check(&chain, &key).map_err(Failure::refused)?;
        let saved = self.store.save_certificate(self.domain, &chain, &key);
        Ok(saved.await?)
    }

    /// What the last attempt left, as far as it is of any use.
    async fn resume(&self, record: &mut Record) -> Result<Option<(Order, KeyPair)>, Failure> {
        let Some(Pending { url, key }) = record.order.clone() else {
            return Ok(None);
        };
        let Ok(key) = KeyPair::from_pem(&key) else {
            return Ok(None);
        };
        let resumed = self.account.order(url).await.map_err(Failure::from);
        match resumed {
            Ok(mut order) => {
                let is_alive = order.state().status != OrderStatus::Invalid;
                Ok(is_alive.then_some((order, key)))
            }
            // It is over, or was another account's.
            Err(failure) if failure.cause == Cause::Refused => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn begin(&self, record: &mut Record) -> Result<(Order, KeyPair), Failure> {
        let key = KeyPair::generate()?;
        let domain = [Identifier::Dns(self.domain.to_owned())];
        let mut wanted = NewOrder::new(&domain);
        if let Some(replaces) = &self.replaces {
            wanted = wanted.replaces(replaces.clone());
        }
        let order = self.account.new_order(&wanted).await?;
        record.order = Some(Pending {
            url: order.url().to_owned(),
            key: key.serialize_pem(),
        });
        self.store.save_record(self.domain, record).await?;
        Ok((order, key))
    }

    /// Proves that the domain is ours, and waits until the authority has seen it.
    async fn prove(&self, order: &mut Order) -> Result<(), Failure> {
        let mut shown = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let offers = |kind: &ChallengeType| {
                let mut offered = authorization.challenges.iter();
                offered.any(|it| it.r#type == *kind)
            };
            let kinds = [
                self.kind.clone(),
                ChallengeType::Http01,
                ChallengeType::TlsAlpn01,
            ];
            let none = "the authority takes neither HTTP-01 nor TLS-ALPN-01";
            let kind = kinds.into_iter().find(offers);
            let kind = kind.ok_or_else(|| Failure::refused(none.to_owned()))?;
            let challenge = authorization.challenge(kind);
            let mut challenge = challenge.ok_or_else(|| Failure::refused(none.to_owned()))?;
            shown.push(self.show(&challenge)?);
            challenge.set_ready().await?;
        }
        let seen = order.poll_ready(&PATIENCE).await;
        drop(shown);
        match seen {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) => Err(Failure::refused(why_invalid(order).await)),
            Err(error) => Err(error.into()),
        }
    }

    fn show(&self, challenge: &ChallengeHandle<'_>) -> Result<Shown, Failure> {
        let proof = challenge.key_authorization();
        match challenge.r#type {
            ChallengeType::TlsAlpn01 => {
                let digest = proof.digest();
                let shown =
                    self.challenges
                        .show_certificate(self.domain, digest.as_ref(), self.provider);
                shown.map_err(Failure::new)
            }
            _ => Ok(self
                .challenges
                .show_answer(&challenge.token, proof.as_str())),
        }
    }

    /// Whether what came is what was asked for. What is not must not be served with.
    fn check(&self, chain: &str, key: &str) -> Result<(), String> {
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let chain = parsed.map_err(|error| format!("the certificate is not PEM: {error}"))?;
        let first = chain.first().ok_or("the authority sent no certificate")?;
        let facts = Facts::of(first)?;
        facts
            .is_valid_at(self.clock.wall())
            .map_err(|flaw| format!("the certificate {flaw}"))?;
        if !facts.names.iter().any(|name| name == self.domain) {
            return Err(format!("the certificate is for {}", facts.names.join(", ")));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|it| it.to_string())?;
        let usable = CertifiedKey::from_der(chain, key, self.provider);
        usable.map(drop).map_err(|error| error.to_string())
    }
}

/// What the authority has against it, as far as it says so.
async fn why_invalid(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else {
            break;
        };
        let Ok(state) = authorization.refresh().await else {
            break;
        };
        let failed = state.challenges.iter().find_map(|it| it.error.as_ref());
        if let Some(problem) = failed {
            let detail = problem.detail.as_deref().unwrap_or("it does not say why");
            return format!("the authority does not take the proof: {detail}");
        }
    }
    "the authority does not take the proof".to_owned()
}
