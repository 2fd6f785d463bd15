//! The account with an authority: made once, and kept.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, HttpClient, NewAccount};
use polity_plan::Acme;

use super::failure::Failure;
use super::store::Store;

/// The account that is kept in `store`, which is made if there is none.
pub(super) async fn open(
    store: &Store,
    settings: &Acme,
    http: Box<dyn HttpClient>,
) -> Result<Account, Failure> {
    let builder = Account::builder_with_http(http);
    if let Some(credentials) = store.load_account::<AccountCredentials>().await? {
        return Ok(builder.from_credentials(credentials).await?);
    }
    let external = settings.eab.as_ref().map(|eab| {
        let key = BASE64_URL_SAFE_NO_PAD.decode(eab.hmac_key.trim_end_matches('='));
        let key = key.map_err(|error| Failure::new(format!("`hmac_key`: {error}")))?;
        Ok::<_, Failure>(ExternalAccountKey::new(eab.kid.clone(), &key))
    });
    let external = external.transpose()?;
    let contact = settings.email.as_ref().map(|it| format!("mailto:{it}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let account = NewAccount {
        contact: &contact,
        // Who gives it a domain has it ask for certificates; the documentation says what that agrees to.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = settings.directory.clone();
    let (account, credentials) = builder
        .create(&account, directory, external.as_ref())
        .await?;
    store.save_account(&credentials).await?;
    tracing::info!(
        "an account with {} was made: {}",
        settings.directory,
        account.id()
    );
    Ok(account)
}
