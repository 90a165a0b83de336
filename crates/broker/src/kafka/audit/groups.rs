//! Groups and their offsets.

use codec::messages::{DeleteGroupsRequest, DeleteGroupsResponse, OffsetDeleteRequest, OffsetDeleteResponse};
use serde_json::json;

use super::{Audited, Change, change, first_error};

const GROUP: &str = "Group";

impl Audited for DeleteGroupsRequest {
    fn changes(&self, response: &DeleteGroupsResponse) -> Vec<Change> {
        let results = response.results.iter();
        results.map(|result| change(GROUP, &result.group_id, "Delete", result.error_code)).collect()
    }
}

impl Audited for OffsetDeleteRequest {
    fn changes(&self, response: &OffsetDeleteResponse) -> Vec<Change> {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let code =
            first_error([response.error_code].into_iter().chain(partitions.map(|each| each.error_code)));
        let told = self.topics.iter().map(|topic| {
            let partitions: Vec<_> = topic.partitions.iter().map(|each| each.partition_index).collect();
            json!([topic.name.as_str(), partitions])
        });
        let detail = json!({ "topics_and_partitions": told.collect::<Vec<_>>() });
        vec![Change { detail, ..change(GROUP, &self.group_id, "DeleteOffsets", code) }]
    }
}
