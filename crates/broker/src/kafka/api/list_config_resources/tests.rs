//! `list_config_resources.rs` through a socket.

use super::super::produce::tests::broker_with;
use super::*;

fn asking(kinds: &[i8]) -> ListConfigResourcesRequest {
    ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec())
}

fn told(response: &ListConfigResourcesResponse) -> Vec<(i8, &str)> {
    response.config_resources.iter().map(|one| (one.resource_type, one.resource_name.as_str())).collect()
}

#[tokio::test]
async fn what_has_a_configuration_is_listed_by_kind() {
    let running = broker_with(&[("a", &[]), ("b", &[])]).await;
    let mut client = running.client().await;
    assert_eq!(told(&client.call(1, &asking(&[])).await), [(2, "a"), (2, "b"), (4, "1"), (8, "1")]);
    assert_eq!(told(&client.call(1, &asking(&[4])).await), [(4, "1")]);
    assert_eq!(told(&client.call(1, &asking(&[2, 2])).await), [(2, "a"), (2, "b")]);
    assert_eq!(told(&client.call(1, &asking(&[16, 32])).await), []);
    let old = client.call(0, &asking(&[])).await;
    assert_eq!((old.error_code, told(&old)), (0, vec![]));
}

#[tokio::test]
async fn a_kind_that_does_not_exist_is_refused() {
    let running = broker_with(&[]).await;
    let refused = running.client().await.call(1, &asking(&[2, 3])).await;
    assert_eq!((refused.error_code, refused.config_resources.len()), (35, 0));
}
