//! What is captured is the call as it was built, and only a call that can be sent alone.

use capnp::message::ReaderOptions;
use quota_schema::quota_capnp::quota;
use schema::admin_capnp::app;

use super::*;

#[test]
fn a_call_is_captured_with_its_method_and_its_parameters() {
    let rule = "x".repeat(10_000);
    let mut captured = capture(&|quota: &quota::Client| {
        let mut request = quota.acquire_request();
        request.get().set_rule(&rule);
        request.get().set_permits(7);
        request
    })
    .unwrap();
    call_of(&mut captured).unwrap().set_question_id(3);
    assert_eq!(captured.get_segments_for_output().len(), 1, "it is one segment");
    let mut bytes = Vec::new();
    capnp::serialize::write_message(&mut bytes, &captured).unwrap();
    let read = capnp::serialize::read_message(&bytes[..], ReaderOptions::new()).unwrap();
    let message::Call(call) = read.get_root::<message::Reader<'_>>().unwrap().which().unwrap() else {
        panic!()
    };
    let call = call.unwrap();
    assert_eq!((call.get_question_id(), call.get_method_id()), (3, 0));
    assert_eq!(call.get_interface_id(), <quota::Client as capnp::traits::HasTypeId>::TYPE_ID);
    let params: quota::acquire_params::Reader<'_> =
        call.get_params().unwrap().get_content().get_as().unwrap();
    assert_eq!((params.get_rule().unwrap().to_str().unwrap(), params.get_permits()), (&*rule, 7));
}

#[test]
fn a_request_for_a_capability_in_a_result_is_not_captured() {
    let captured =
        capture(&|app: &app::Client| app.runtime_request().send().pipeline.get_runtime().mem_stats_request());
    assert!(captured.is_none());
}
