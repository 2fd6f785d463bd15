//! Tests of asking for descriptors.

use super::*;

/// A server that knows all files of the tests' pool.
fn answer(request: &[u8]) -> Response {
    let pool = crate::testing::pool();
    let file = |found: Option<prost_reflect::FileDescriptor>| match found {
        Some(file) => Answered::Files(FileDescriptorResponse {
            file_descriptor_proto: vec![file.encode_to_vec()],
        }),
        None => Answered::Error(ErrorResponse {
            code: 5,
            message: "not found".into(),
        }),
    };
    let answered = match Request::decode(request)
        .expect("a request")
        .asked
        .expect("a question")
    {
        Asked::ListServices(_) => {
            let own = [
                "grpc.reflection.v1.ServerReflection",
                "grpc.health.v1.Health",
            ];
            let services = pool.services().map(|it| it.full_name().to_owned());
            let names = services.chain(own.map(str::to_owned));
            Answered::Services(ListServiceResponse {
                service: names.map(|name| ServiceResponse { name }).collect(),
            })
        }
        Asked::FileContainingSymbol(symbol) => {
            file(pool.get_service_by_name(&symbol).map(|it| it.parent_file()))
        }
        Asked::FileByFilename(name) => file(pool.get_file_by_name(&name)),
    };
    Response {
        answered: Some(answered),
    }
}

#[test]
fn all_that_services_need_is_asked_for_once() {
    let (mut reflection, mut asked) = (Reflection::default(), 0);
    while let Some(request) = reflection.ask() {
        asked += 1;
        let response = answer(&request).encode_to_vec();
        reflection.answer(&response).expect("it is answered");
    }
    let pool = reflection.finish().expect("it fits together");
    let whole = crate::testing::pool();
    assert_eq!(pool.services().len(), whole.services().len());
    let rules = |pool| crate::Transcoder::new(pool).0.size();
    assert_eq!(rules(pool), rules(whole.clone()));
    // The list, a file for each service, and the files those need.
    let services = whole.services().len();
    assert!(asked <= 1 + services + whole.files().len(), "{asked}");
}

#[test]
fn what_the_service_does_not_know_is_told() {
    let mut reflection = Reflection::default();
    reflection.ask();
    let services = ListServiceResponse {
        service: vec![ServiceResponse {
            name: "library.Nothing".into(),
        }],
    };
    let services = Response {
        answered: Some(Answered::Services(services)),
    };
    reflection
        .answer(&services.encode_to_vec())
        .expect("a list");
    let request = reflection.ask().expect("a question");
    let refused = reflection.answer(&answer(&request).encode_to_vec());
    let expected = "the service knows no file of `library.Nothing`: not found (gRPC status 5)";
    assert_eq!(refused.expect_err("refused").to_string(), expected);
}

#[test]
fn what_answers_nothing_is_refused() {
    let empty = Response { answered: None }.encode_to_vec();
    let mut reflection = Reflection::default();
    assert!(reflection.answer(&empty).is_err());
    reflection.ask();
    assert!(reflection.answer(&[0xff]).is_err());
    let mut reflection = Reflection::default();
    reflection.ask();
    assert!(reflection.answer(&empty).is_err());
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let file = FileDescriptorProto {
        name: Some("a.proto".into()),
        dependency: vec!["b.proto".into()],
        ..FileDescriptorProto::default()
    };
    let mut reflection = Reflection::default();
    reflection.add(&file.encode_to_vec()).expect("a file");
    let refused = reflection.finish().expect_err("b.proto is missing");
    assert!(refused.to_string().contains("b.proto"), "{refused}");
}

#[test]
fn a_service_without_end_is_refused() {
    let mut reflection = Reflection::default();
    reflection.ask();
    let name = |number| ServiceResponse {
        name: format!("library.S{number}"),
    };
    let services = Answered::Services(ListServiceResponse {
        service: (0..=MAX_FILES).map(name).collect(),
    });
    let services = Response {
        answered: Some(services),
    };
    assert_eq!(
        reflection.answer(&services.encode_to_vec()),
        Err(ReflectionError::TooMany)
    );
}
