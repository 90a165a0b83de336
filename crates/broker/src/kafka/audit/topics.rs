//! Topics, partitions and records.

use std::collections::HashMap;

use codec::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use serde_json::json;

use super::configs::values;
use super::{Audited, Change, change, first_error};

const TOPIC: &str = "Topic";

impl Audited for CreateTopicsRequest {
    fn changes(&self, response: &CreateTopicsResponse) -> Vec<Change> {
        if self.validate_only {
            return Vec::new();
        }
        let asked: HashMap<&str, _> = self.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let asked = |name: &str| asked.get(name).copied();
        let created = response.topics.iter().map(|result| {
            let configs = asked(&result.name).map(|topic| {
                let pairs =
                    topic.configs.iter().map(|config| (config.name.as_str(), config.value.as_deref()));
                values(pairs)
            });
            let partitions = match result.error_code {
                0 => result.num_partitions,
                _ => asked(&result.name).map_or(-1, |topic| topic.num_partitions),
            };
            let detail = json!({ "partitions": partitions, "configs": configs });
            Change { detail, ..change(TOPIC, &result.name, "Create", result.error_code) }
        });
        created.collect()
    }
}

impl Audited for DeleteTopicsRequest {
    fn changes(&self, response: &DeleteTopicsResponse) -> Vec<Change> {
        let deleted = response.responses.iter().map(|result| match &result.name {
            Some(name) => change(TOPIC, name, "Delete", result.error_code),
            None => change(TOPIC, &result.topic_id.to_string(), "Delete", result.error_code),
        });
        deleted.collect()
    }
}

impl Audited for CreatePartitionsRequest {
    fn changes(&self, response: &CreatePartitionsResponse) -> Vec<Change> {
        if self.validate_only {
            return Vec::new();
        }
        let counts: HashMap<&str, i32> =
            self.topics.iter().map(|topic| (topic.name.as_str(), topic.count)).collect();
        let grown = response.results.iter().map(|result| {
            let detail = json!({ "partitions": counts.get(result.name.as_str()) });
            Change { detail, ..change(TOPIC, &result.name, "CreatePartitions", result.error_code) }
        });
        grown.collect()
    }
}

impl Audited for DeleteRecordsRequest {
    fn changes(&self, response: &DeleteRecordsResponse) -> Vec<Change> {
        let asked: HashMap<&str, _> = self.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let topics = response.topics.iter().map(|result| {
            let offsets = asked.get(result.name.as_str()).into_iter().flat_map(|topic| &topic.partitions);
            let offsets: Vec<_> = offsets.map(|each| json!([each.partition_index, each.offset])).collect();
            let code = first_error(result.partitions.iter().map(|each| each.error_code));
            let detail = json!({ "partitions_and_offsets": offsets });
            Change { detail, ..change(TOPIC, &result.name, "DeleteRecords", code) }
        });
        topics.collect()
    }
}

/// `kafka-transactions.sh abort` ends transactions so.
impl Audited for WriteTxnMarkersRequest {
    fn changes(&self, response: &WriteTxnMarkersResponse) -> Vec<Change> {
        let results: HashMap<_, _> =
            response.markers.iter().map(|result| (result.producer_id.0, result)).collect();
        let markers = self.markers.iter().map(|marker| {
            let results = results.get(&marker.producer_id.0);
            let partitions =
                results.into_iter().flat_map(|result| &result.topics).flat_map(|topic| &topic.partitions);
            let code = first_error(partitions.map(|each| each.error_code));
            let topics: Vec<_> = marker.topics.iter().map(|topic| topic.name.as_str()).collect();
            let operation = if marker.transaction_result { "Commit" } else { "Abort" };
            let detail = json!({ "producer_epoch": marker.producer_epoch, "topics": topics });
            Change { detail, ..change("ProducerId", &marker.producer_id.0.to_string(), operation, code) }
        });
        markers.collect()
    }
}
