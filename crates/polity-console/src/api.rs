//! The API's routes, from which its OpenAPI description is made.

mod operations;
mod streams;
mod topics;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json, Router, middleware, routing};
use polity_core::ServiceName;
use polity_runtime::Drain;
use tokio::sync::Semaphore;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::guard::{self, Guard};
use crate::plan_view::PlanView;
use crate::problem::Problem;
use crate::system::System;
use crate::view::{Instance, Service, ServiceState};

/// The largest body of a request. The longest one there is says how many replicas.
const MAX_BODY: usize = 16 * 1024;

/// Names closer than this are suggested in place of an unknown one (Jaro-Winkler, 1 is the same).
const CLOSE_ENOUGH: f64 = 0.75;

const SECURITY: &str = "token";

/// What every handler shares.
struct Api {
    system: Arc<dyn System>,
    /// One permit for each operation under way.
    operations: Arc<Semaphore>,
    /// Ends the streams that follow.
    drain: Drain,
}

type Shared = State<Arc<Api>>;

/// Everything the console answers, behind its guard.
pub(crate) fn router(system: Arc<dyn System>, guard: Guard, drain: Drain) -> Router {
    let api = Api {
        system,
        operations: Arc::new(Semaphore::new(operations::MAX_OPERATIONS)),
        drain,
    };
    let (router, description) = described_routes().split_for_parts();
    router
        .route("/api/v1/openapi.json", routing::get(openapi))
        .layer(Extension(Arc::new(description)))
        .fallback(async || {
            Problem::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "there is nothing at this path",
            )
        })
        .method_not_allowed_fallback(async || {
            let detail = "this path does not take this method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::new(guard),
            guard::check,
        ))
        .with_state(Arc::new(api))
}

/// The OpenAPI description of the admin API.
pub fn description() -> OpenApi {
    described_routes().split_for_parts().1
}

fn described_routes() -> OpenApiRouter<Arc<Api>> {
    let api = OpenApiRouter::new()
        .routes(routes!(plan))
        .routes(routes!(services))
        .routes(routes!(service))
        .routes(routes!(instances))
        .routes(routes!(operations::deploy))
        .routes(routes!(operations::restart))
        .routes(routes!(operations::scale))
        .routes(routes!(operations::shutdown))
        .routes(routes!(streams::logs))
        .routes(routes!(streams::events))
        .routes(routes!(topics::topics))
        .routes(routes!(topics::topic))
        .routes(
            routes!(topics::records, topics::publish)
                .layer(DefaultBodyLimit::max(topics::MAX_RECORD)),
        )
        .routes(routes!(topics::groups));
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("the content of `<data>/token`"));
    let description = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Polity admin API")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "What runs, what it prints, and the careful ways to change it.",
                )),
        )
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme(SECURITY, SecurityScheme::Http(scheme.build()))
                .build(),
        ))
        .security(Some([SecurityRequirement::new(SECURITY, [""; 0])]))
        .build();
    OpenApiRouter::with_openapi(description)
        .nest("/api/v1", api)
        .routes(routes!(healthz))
        .routes(routes!(readyz))
}

async fn openapi(Extension(description): Extension<Arc<OpenApi>>) -> impl IntoResponse {
    Json(OpenApi::clone(&description))
}

/// The plan in force, without its secrets
#[utoipa::path(get, path = "/plan", responses(
    (status = 200, body = PlanView),
    (status = 401, description = "no token, or not the right one", body = Problem),
))]
async fn plan(State(api): Shared) -> Json<PlanView> {
    Json(PlanView::from(&*api.system.plan()))
}

/// Every service and what runs of it
#[utoipa::path(get, path = "/services", responses((status = 200, body = [Service])))]
async fn services(State(api): Shared) -> Json<Vec<Service>> {
    Json(api.system.services().await)
}

/// One service and what runs of it
#[utoipa::path(get, path = "/services/{service}",
    params(("service" = String, Path, description = "its name")),
    responses((status = 200, body = Service), (status = 404, body = Problem)))]
async fn service(State(api): Shared, Path(name): Path<String>) -> Result<Json<Service>, Problem> {
    let name = api.known(&name)?;
    let services = api.system.services().await;
    let found = services
        .into_iter()
        .find(|service| service.name == name.as_str());
    // Between the two questions the plan may have changed.
    found.map(Json).ok_or_else(|| unknown(name.as_str(), None))
}

/// Every instance of every service
#[utoipa::path(get, path = "/instances", responses((status = 200, body = [Instance])))]
async fn instances(State(api): Shared) -> Json<Vec<Instance>> {
    let services = api.system.services().await;
    Json(
        services
            .into_iter()
            .flat_map(|service| service.instances)
            .collect(),
    )
}

/// Polity itself runs
#[utoipa::path(get, path = "/healthz", security(()), responses((status = 200, body = String)))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Every service that is to have one has an instance that is ready
#[utoipa::path(get, path = "/readyz", security(()), responses(
    (status = 200, body = String), (status = 503, body = Problem)))]
async fn readyz(State(api): Shared) -> Result<&'static str, Problem> {
    let services = api.system.services().await;
    // Who scales a service to nothing is not told that the system misses it.
    let is_up = |service: &&Service| {
        service.replicas == Some(0)
            || matches!(service.state, ServiceState::Ready | ServiceState::Degraded)
    };
    let up = services.iter().filter(is_up).count();
    if up == services.len() {
        return Ok("ready\n");
    }
    // Names stay out: this is said to anybody.
    let detail = format!("{up} of {} services are ready", services.len());
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        detail,
    ))
}

impl Api {
    /// The service of this name.
    fn known(&self, name: &str) -> Result<ServiceName, Problem> {
        let plan = self.system.plan();
        if let Some((name, _)) = plan.services.get_key_value(name) {
            return Ok(name.clone());
        }
        let closeness = |known: &&str| strsim::jaro_winkler(known, name);
        let known = plan.services.keys().map(ServiceName::as_str);
        let nearest = known
            .filter(|known| closeness(known) > CLOSE_ENOUGH)
            .max_by(|a, b| closeness(a).total_cmp(&closeness(b)));
        Err(unknown(name, nearest))
    }
}

fn unknown(name: &str, nearest: Option<&str>) -> Problem {
    let detail = match nearest {
        Some(nearest) => format!("there is no service `{name}`: did you mean `{nearest}`?"),
        None => format!("there is no service `{name}`: `polity ps` lists those there are"),
    };
    Problem::new(StatusCode::NOT_FOUND, "unknown-service", detail)
}
