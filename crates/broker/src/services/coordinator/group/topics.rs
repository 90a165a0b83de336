//! The broker's topics as the coordinator of groups sees them.

use std::sync::Arc;

use coordinator::group::topics::{MetadataImage, Topics, Viewer};
use parking_lot::Mutex;
use storage::{Catalog, Cluster};
use uuid::Uuid;

use crate::session::authorizer::{Authorizer, Describes};

/// The catalog at one moment.
/// Never changes: a later catalog is another image.
struct CatalogImage(Arc<Catalog>);

impl MetadataImage for CatalogImage {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        let topic = self.0.topic(name)?;
        Some((topic.id, i32::try_from(topic.partition_count()).expect("a partition's index is an i32")))
    }

    fn name(&self, id: Uuid) -> Option<&str> {
        self.0.topic_by_id(id).map(|topic| topic.name.as_str())
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.0.topics().map(|topic| topic.name.as_str()))
    }
}

/// Returns the topics as they are now.
/// Cheap while the catalog is the same: it is asked at every step of every group.
pub(crate) type TopicSource = Box<dyn Fn() -> Topics + Send + Sync>;

/// The broker's own topics. The version is another one whenever the catalog, or the authorizer's rules, are others than last time.
pub(crate) fn source(cluster: Cluster, authorizer: Option<Arc<Authorizer>>) -> TopicSource {
    let rules = move || authorizer.as_ref().map(|authorizer| authorizer.generation());
    let image = |catalog: Arc<Catalog>, version, are_restricted| Topics {
        version,
        are_restricted,
        image: Arc::new(CatalogImage(catalog)),
    };
    let (catalog, generation) = (cluster.catalog(), rules());
    let topics = image(Arc::clone(&catalog), 0, generation.is_some());
    let last = Mutex::new((catalog, generation, topics));
    Box::new(move || {
        let (catalog, generation) = (cluster.catalog(), rules());
        let mut last = last.lock();
        // The last one is kept, so an equal address is the same catalog.
        if !Arc::ptr_eq(&last.0, &catalog) || last.1 != generation {
            let topics = image(Arc::clone(&catalog), last.2.version + 1, generation.is_some());
            *last = (catalog, generation, topics);
        }
        last.2.clone()
    })
}

/// The client of a request, by the rules as of the time at which its group asks.
#[derive(Debug)]
struct Client {
    name: Arc<str>,
    may_describe: Describes,
}

impl Viewer for Client {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn may_describe(&self, topic: &str) -> bool {
        self.may_describe.topic(topic)
    }
}

/// A client as the coordinator of groups asks about it.
pub(crate) fn viewer(may_describe: Describes) -> Arc<dyn Viewer> {
    Arc::new(Client { name: may_describe.client().into(), may_describe })
}
