//! The broker's topics as the coordinator of groups sees them.

use std::sync::Arc;

use coordinator::group::topics::{MetadataImage, Topics};
use parking_lot::Mutex;
use storage::{Catalog, Cluster};
use uuid::Uuid;

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

/// The broker's own topics. The version is another one whenever the catalog is another one than last time.
pub(crate) fn source(cluster: Cluster) -> TopicSource {
    let image = |catalog: Arc<Catalog>, version| Topics { version, image: Arc::new(CatalogImage(catalog)) };
    let catalog = cluster.catalog();
    let last = Mutex::new((Arc::clone(&catalog), image(catalog, 0)));
    Box::new(move || {
        let catalog = cluster.catalog();
        let mut last = last.lock();
        // The last one is kept, so an equal address is the same catalog.
        if !Arc::ptr_eq(&last.0, &catalog) {
            let version = last.1.version + 1;
            *last = (Arc::clone(&catalog), image(catalog, version));
        }
        last.1.clone()
    })
}
