//! Opening a folder: its lock and format, the state that a crash left, every topic and partition.
//!
//! The cost grows with what RocksDB had not flushed and the number of partitions, not with the size of the data.
//!
//! A topic whose record cannot be read is not served. Three things keep that safe. Its name is not given to a new topic, so
//! its offsets, and those that groups committed for it, are not used again; where the name cannot be read either, the start is
//! refused unless the operator accepts the loss. The numbers of its partitions are not given again. And the families in
//! which records lie that no readable topic claims are neither settled nor dropped.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use rocksdb::WriteBatch;
use uuid::Uuid;

use crate::{
    OpenError, Partition, PartitionNumber, ProducerState, ReadError, StorageError, StorageOptions, Topic,
    engine::{
        aborted, cursor,
        fence::Fence,
        guard::Guard,
        index,
        journal::Journal,
        keys::{self, NodeKey, Tag},
        rocks::Engine,
        values::{self, ExtentRecord, GenerationRecord, TopicRecord},
    },
    log::{
        BatchFamily, Catalog, CleanedRecord, EpochStart, Extent, GenerationNumber, LivingExtents, LogStart,
        Producers, Recovered, UnreadableTopic, leader_epoch,
    },
    random::{base64_url, random_id},
};

/// An open folder, before its threads start.
pub(crate) struct Opened {
    pub(crate) guard: Guard,
    /// For the syncer, which moves it on.
    pub(crate) fence: Fence,
    pub(crate) engine: Arc<Engine>,
    /// All topics that can be read, with their partitions.
    pub(crate) catalog: Catalog,
    /// The number of the next partition.
    pub(crate) next_partition: u64,
    pub(crate) node_epoch: u32,
    pub(crate) generations: FoundGenerations,
    /// The first id that no earlier process can have given.
    pub(crate) next_producer_id: i64,
    /// Time for which the folder was open before.
    pub(crate) open_ms: u64,
    pub(crate) cluster_id: String,
    pub(crate) recovery: Recovery,
    /// Families that hold records of topics which are not served: their space is not freed.
    pub(crate) untouchable: HashSet<BatchFamily>,
}

/// State in which the folder was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The folder was empty.
    pub new: bool,
    /// The last process did not stop cleanly: leader epochs were raised.
    pub unclean: bool,
}

/// The generations that the state names.
pub(crate) struct FoundGenerations {
    /// The newest, which goes on taking appends.
    pub(crate) current: GenerationNumber,
    /// When each was created, Unix ms.
    pub(crate) created_ms: BTreeMap<GenerationNumber, i64>,
    /// Bytes in the journal of the current one.
    pub(crate) bytes: u64,
    pub(crate) extents: LivingExtents,
}

/// Opens or creates the folder.
pub(crate) fn open(options: &StorageOptions) -> Result<Opened, OpenError> {
    let path = &options.path;
    let failed = |source: StorageError| match source.is_damaged_index() {
        true => OpenError::DamagedIndex { path: path.clone(), source },
        false => OpenError::Storage { path: path.clone(), source },
    };
    // First of all: nothing is touched in a folder of another process or of a later release.
    let guard = Guard::acquire(path)?;
    let mut fence = Fence::open(path).map_err(failed)?;
    let engine = Arc::new(Engine::open(path, options).map_err(failed)?);
    if let Some(lost) = engine.replay(fence.position(), options.accept_data_loss).map_err(failed)? {
        let (recovered, synced) = (lost.recovered.to_string(), lost.synced.to_string());
        if !options.accept_data_loss {
            return Err(OpenError::DataLoss { path: path.clone(), recovered, synced });
        }
        tracing::warn!(recovered, synced, "starting without records that were on the disk, as asked");
        // Lowered, or the next start would find the same loss again.
        fence.force(lost.recovered, &engine.faults).map_err(failed)?;
    }
    // After the replay, which has put what it applied onto the disk: what RocksDB had flushed may be older than what
    // was acknowledged.
    engine.start_settled_files().map_err(failed)?;
    let node = Node::load(&engine).map_err(failed)?;
    let generations = load_generations(&engine, &node, (options.clock)()).map_err(failed)?;
    let topics = load_catalog(&engine, &node, |_, _, error| Err(error)).map_err(failed)?;
    let Topics { catalog, untouchable, greatest_partition } = topics;
    if let Some(topic) = catalog.unreadable().iter().find(|topic| topic.name.is_none())
        && !options.accept_data_loss
    {
        let (path, id, source) = (path.clone(), topic.id, topic.error.clone());
        return Err(OpenError::UnreadableTopic { path, id, source });
    }
    // After all that can refuse the start: a refused start is not an unclean stop.
    node.mark_started(&engine).map_err(failed)?;
    engine.flush_a_full_replay().map_err(failed)?;
    let recovery = Recovery { new: node.new, unclean: node.unclean };
    // A number that any record mentions is never given again.
    let next_partition = node.next_partition.max(greatest_partition.saturating_add(1));
    let Node { next_producer_id, open_ms, cluster_id, epoch: node_epoch, .. } = node;
    Ok(Opened {
        guard,
        fence,
        engine,
        catalog,
        next_partition,
        node_epoch,
        generations,
        next_producer_id,
        open_ms,
        cluster_id,
        recovery,
        untouchable,
    })
}

/// Facts about this node.
pub(crate) struct Node {
    pub(crate) new: bool,
    /// The last process did not stop cleanly.
    pub(crate) unclean: bool,
    /// 22 characters; drawn at the first start.
    pub(crate) cluster_id: String,
    /// That of the process which starts now.
    pub(crate) epoch: u32,
    pub(crate) next_partition: u64,
    pub(crate) next_producer_id: i64,
    /// Time for which the folder was open before.
    pub(crate) open_ms: u64,
}

impl Node {
    pub(crate) fn load(engine: &Engine) -> Result<Self, StorageError> {
        let number = |key: NodeKey| -> Result<Option<u64>, StorageError> {
            let Some(value) = engine.state_value(&keys::node(key))? else { return Ok(None) };
            let bytes =
                value.try_into().map_err(|_| StorageError::corrupt("node record", "not eight bytes"))?;
            Ok(Some(u64::from_be_bytes(bytes)))
        };
        let cluster_id = engine.state_value(&keys::node(NodeKey::ClusterId))?;
        let new = cluster_id.is_none();
        let cluster_id = match cluster_id {
            Some(text) => {
                String::from_utf8(text).map_err(|error| StorageError::corrupt("cluster id", error))?
            }
            None => base64_url(random_id().as_bytes()),
        };
        // A first start that was cut short left a folder that is still new: there is nothing to take back.
        let unclean = !new && engine.state_value(&keys::node(NodeKey::Clean))?.is_none();
        let epoch = match number(NodeKey::Epoch)? {
            // Clients notice by the leader epoch that offsets may have been taken back (KIP-320).
            Some(epoch) => epoch.saturating_add(u64::from(unclean)),
            None if new => 0,
            // Leader epochs would go back.
            None => return Err(StorageError::corrupt("node epoch", "it is missing")),
        };
        Ok(Self {
            new,
            unclean,
            cluster_id,
            epoch: u32::try_from(epoch).map_err(|error| StorageError::corrupt("node epoch", error))?,
            // The rest is missing until it is needed for the first time.
            // 0 is no partition's number: `WriteGroup::touch_settled` deletes a batch of it.
            next_partition: number(NodeKey::NextPartition)?.unwrap_or(1),
            next_producer_id: i64::try_from(number(NodeKey::NextProducerId)?.unwrap_or(0))
                .map_err(|error| StorageError::corrupt("producer id", error))?,
            open_ms: number(NodeKey::OpenFor)?.unwrap_or(0),
        })
    }

    /// After this a stop without a clean mark counts as unclean. Also syncs what recovery made visible.
    fn mark_started(&self, engine: &Engine) -> Result<(), StorageError> {
        let state = engine.state()?;
        let mut batch = WriteBatch::default();
        batch.put_cf(&state, keys::node(NodeKey::ClusterId), &self.cluster_id);
        batch.put_cf(&state, keys::node(NodeKey::Epoch), u64::from(self.epoch).to_be_bytes());
        // In one group with the epoch: a crash right after this counts as unclean, and raises it again.
        batch.delete_cf(&state, keys::node(NodeKey::Clean));
        engine.write(batch, &[])?;
        engine.sync().map(|_| ())
    }
}

/// The generations that the state names.
pub(crate) fn named_generations(
    engine: &Engine,
) -> Result<Vec<(GenerationNumber, GenerationRecord)>, StorageError> {
    let mut named = Vec::new();
    engine.scan_state(&[Tag::Generation as u8], |key, value| {
        let number = GenerationNumber(keys::parse_number("generation key", key)?);
        named.push((number, GenerationRecord::decode(value)?));
        Ok(())
    })?;
    Ok(named)
}

/// Makes families and state agree; the newest generation goes on taking appends.
fn load_generations(engine: &Engine, node: &Node, now_ms: i64) -> Result<FoundGenerations, StorageError> {
    let named = named_generations(engine)?;
    // A crash came between the creation of a family and the group that names it, or between that which removes the name and
    // the drop: nothing in it counts.
    for family in engine.generations() {
        if !named.iter().any(|(number, _)| *number == family) {
            engine.drop_generation(family)?;
        }
    }
    let mut extents: LivingExtents = named.iter().map(|(number, _)| (*number, HashSet::new())).collect();
    engine.scan_state(&[Tag::Extent as u8], |key, value| {
        if let BatchFamily::Generation(number) = ExtentRecord::decode(value)?.family {
            let extent = keys::parse_of_partition("extent key", key)?;
            extents.entry(number).or_default().insert(extent);
        }
        Ok(())
    })?;
    let mut created_ms: BTreeMap<_, _> =
        named.into_iter().map(|(number, record)| (number, record.created_ms)).collect();
    let current = match created_ms.last_key_value() {
        Some((number, _)) => *number,
        None if node.new => {
            let first = GenerationNumber(1);
            // As a later one is begun: file and family first, then, in the first record of the file, its name
            // in the state.
            engine.create_generation(first)?;
            engine.journal.roll(first)?;
            let mut batch = WriteBatch::default();
            let record = GenerationRecord { created_ms: now_ms };
            batch.put_cf(&engine.state()?, keys::generation(first), record.encode());
            engine.write(batch, &[])?;
            created_ms.insert(first, now_ms);
            first
        }
        // Every folder names one from its first start on.
        None => return Err(StorageError::corrupt("state", "it names no generation")),
    };
    // Journals of generations that the state does not name, except what a replay may still read.
    for generation in Journal::generations(engine.path())? {
        if !created_ms.contains_key(&generation) {
            engine.journal.retire(generation);
        }
    }
    engine.delete_retired()?;
    // With operations, as for its size while it takes appends.
    let bytes = engine.journal.bytes(current)?;
    Ok(FoundGenerations { current, created_ms, bytes, extents })
}

/// The state of all partitions.
#[derive(Default)]
struct Partitions {
    /// By number. Those that no readable topic claims stay here.
    found: HashMap<PartitionNumber, Recovered>,
    /// By number.
    producers: HashMap<PartitionNumber, Producers>,
}

impl Partitions {
    /// Reads the state of all partitions, kind by kind: one scan each, whatever the number of partitions.
    /// `open_ms`: the folder's clock.
    fn load(engine: &Engine, open_ms: u64) -> Result<Self, StorageError> {
        let mut all = Self::default();
        engine.scan_state(&[Tag::Extent as u8], |key, value| {
            let (partition, base_offset) = keys::parse_of_partition("extent key", key)?;
            let ExtentRecord { family, position } = ExtentRecord::decode(value)?;
            let extent = Extent { base_offset, family, position };
            all.found.entry(partition).or_default().extents.push(extent);
            Ok(())
        })?;
        engine.scan_state(&[Tag::LogStart as u8], |key, value| {
            let partition = keys::parse_partition("log start key", key)?;
            all.found.entry(partition).or_default().log_start = LogStart::decode(value)?;
            Ok(())
        })?;
        engine.scan_state(&[Tag::Cleaned as u8], |key, value| {
            let partition = keys::parse_partition("cleaned key", key)?;
            all.found.entry(partition).or_default().cleaned = CleanedRecord::decode(value)?;
            Ok(())
        })?;
        engine.scan_state(&[Tag::LeaderEpoch as u8], |key, value| {
            let (partition, epoch) = keys::parse_of_partition("leader epoch key", key)?;
            let leader_epoch =
                epoch.try_into().map_err(|error| StorageError::corrupt("leader epoch", error))?;
            let start_offset = values::parse_offset("leader epoch", value)?;
            let epochs = &mut all.found.entry(partition).or_default().epochs;
            epochs.push(EpochStart { leader_epoch, start_offset });
            Ok(())
        })?;
        engine.scan_state(&[Tag::Producer as u8], |key, value| {
            let (partition, producer_id) = keys::parse_of_partition("producer key", key)?;
            let state = ProducerState::decode(value, open_ms)?;
            all.producers.entry(partition).or_default().set(producer_id, &state);
            Ok(())
        })?;
        for (partition, classes) in aborted::partitions(engine)? {
            all.found.entry(partition).or_default().aborted = classes;
        }
        all.note_settled(engine.settled_partitions());
        Ok(all)
    }

    /// Notes of whom the settled family has batches. To take a partition for one of these costs no more than the
    /// removal of a range without keys, so damage there, which costs readers a batch, need not stop a start.
    fn note_settled(&mut self, partitions: Result<HashSet<PartitionNumber>, StorageError>) {
        match partitions {
            Ok(partitions) => {
                for partition in partitions {
                    self.found.entry(partition).or_default().settled = true;
                }
            }
            Err(error) => {
                tracing::error!(%error, "settled batches are damaged: their readers are told, all others are served");
                self.found.values_mut().for_each(|found| found.settled = true);
            }
        }
    }

    /// The partition as the state and its last batches tell. Reads the batches after the last entry of its
    /// time index.
    ///
    /// # Errors
    /// The disk failed. A damaged batch is no error: it costs its readers that batch.
    fn recover(
        &mut self,
        engine: &Arc<Engine>,
        number: PartitionNumber,
        topic_id: Uuid,
        index: i32,
        leader_epoch: i32,
        open_ms: u64,
    ) -> Result<Partition, StorageError> {
        // A partition without records has no state.
        let found = self.found.remove(&number).unwrap_or_default();
        let has_batches = !found.extents.is_empty();
        let partition = Partition::new(number, topic_id, index, leader_epoch, found);
        let mut end = partition.log_start_offset();
        if has_batches && let Some(found) = cursor::end_offset(engine, &partition).map_err(storage_error)? {
            // Every batch may be deleted: then the log goes on at its start.
            end = end.max(found);
        }
        // All of it is visible, except what belongs to a transaction that is open: `Node::mark_started` syncs before anyone reads.
        partition.recover_end(end, self.producers.remove(&number).unwrap_or_default());
        if has_batches {
            let log_start = partition.log_start();
            let interval = index::recover_interval(engine, &partition, log_start, open_ms);
            let interval = interval.map_err(storage_error)?;
            partition.append.lock().interval = interval;
            partition.set_interval(interval);
        }
        Ok(partition)
    }
}

/// During recovery no offset is out of range: only the disk can fail.
fn storage_error(error: ReadError) -> StorageError {
    match error {
        ReadError::Storage(error) => error,
        other => StorageError::corrupt("partition", other),
    }
}

/// All topics, and the traces of those that cannot be served.
pub(crate) struct Topics {
    pub(crate) catalog: Catalog,
    /// Families in which partitions lie that belong to no readable topic.
    untouchable: HashSet<BatchFamily>,
    /// The greatest number of a partition that any record mentions.
    greatest_partition: u64,
}

/// Loads all topics. `damaged` is told of each partition that cannot be read, and says if the topic goes without it.
pub(crate) fn load_catalog(
    engine: &Arc<Engine>,
    node: &Node,
    mut damaged: impl FnMut(&str, i32, StorageError) -> Result<(), StorageError>,
) -> Result<Topics, StorageError> {
    let mut partitions = Partitions::load(engine, node.open_ms)?;
    let mut greatest_partition = partitions.found.keys().map(|number| number.0).max().unwrap_or(0);
    let (topics, unreadable) = topic_records(engine)?;
    let mut catalog = Catalog::new(unreadable);
    for (id, record) in topics {
        let TopicRecord { name, created_epoch, configs, partitions: numbers } = record;
        // Counted from the creation, so that a new topic begins at epoch 0, as in Kafka.
        let leader_epoch = leader_epoch(node.epoch, created_epoch);
        let mut recovered = Vec::with_capacity(numbers.len());
        for (index, number) in (0..).zip(numbers) {
            greatest_partition = greatest_partition.max(number.0);
            match partitions.recover(engine, number, id, index, leader_epoch, node.open_ms) {
                Ok(partition) => recovered.push(Arc::new(partition)),
                Err(error) => damaged(&name, index, error)?,
            }
        }
        catalog.insert(Arc::new(Topic { name, id, configs, partitions: recovered, created_epoch }));
    }
    let unclaimed = partitions.found.values().flat_map(|found| &found.extents);
    let untouchable = unclaimed.map(|extent| extent.family).collect();
    Ok(Topics { catalog, untouchable, greatest_partition })
}

/// The topics whose records can be read, by id, and those whose records cannot.
fn topic_records(
    engine: &Engine,
) -> Result<(BTreeMap<Uuid, TopicRecord>, Vec<UnreadableTopic>), StorageError> {
    let (mut topics, mut unreadable) = (BTreeMap::new(), Vec::new());
    let mut names = HashSet::new();
    engine.scan_state(&[Tag::Topic as u8], |key, value| {
        let id = key.get(1..).and_then(|id| Uuid::from_slice(id).ok());
        let id = id.ok_or_else(|| StorageError::corrupt("topic key", "not seventeen bytes"))?;
        // Of two with one name the first by id is served; the other counts as unreadable, so its data stays.
        let found = TopicRecord::decode(value).and_then(|record| match names.insert(record.name.clone()) {
            true => Ok(record),
            false => Err(StorageError::corrupt("topic record", "another topic has the same name")),
        });
        match found {
            Ok(record) => {
                topics.insert(id, record);
            }
            Err(error) => {
                let name = TopicRecord::decode_name(value).ok();
                tracing::error!(
                    %error,
                    topic_id = %id,
                    topic = name.as_deref().unwrap_or("unknown"),
                    "a topic is not served: its record cannot be read; its name and its data are kept"
                );
                unreadable.push(UnreadableTopic { id, name, error });
            }
        }
        Ok(())
    })?;
    Ok((topics, unreadable))
}
