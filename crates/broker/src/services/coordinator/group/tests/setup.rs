//! A service over a storage whose writes end when a test says so.

use super::*;

/// A storage whose writes end when the test says so.
#[derive(Default)]
pub(super) struct TestLog {
    pub(super) stored: Mutex<BTreeMap<Bytes, Bytes>>,
    /// Writes under way: their records, and what is to be called when they end.
    pub(super) open: Mutex<VecDeque<(Vec<Record>, Written)>>,
    pub(super) held: AtomicBool,
    pub(super) term: AtomicU32,
    /// The reason for which the term is over.
    pub(super) not_led: Mutex<Option<NotLed>>,
}

impl TestLog {
    pub(super) fn log(self: &Arc<Self>) -> Box<dyn RecordLog> {
        Box::new(Arc::clone(self))
    }

    pub(super) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    pub(super) fn finish_all(&self) {
        while let Some((records, written)) = self.next() {
            for Record { key, value } in records {
                match value {
                    Some(value) => drop(self.stored.lock().insert(key, value)),
                    None => drop(self.stored.lock().remove(&key)),
                }
            }
            written(Ok(()));
        }
    }

    pub(super) fn fail_all(&self) {
        while let Some((_, written)) = self.next() {
            written(Err(NotWritten::Failed));
        }
    }

    pub(super) fn next(&self) -> Option<(Vec<Record>, Written)> {
        self.open.lock().pop_front()
    }

    pub(super) fn scan_all(
        &self,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), Infallible> {
        for (key, value) in self.stored.lock().iter().filter(|(key, _)| key.starts_with(prefix)) {
            each(key, value);
        }
        Ok(())
    }
}

impl RecordLog for Arc<TestLog> {
    fn term(&self) -> Result<u32, NotLed> {
        self.not_led.lock().map_or(Ok(self.term.load(Ordering::SeqCst)), Err)
    }

    fn write(&self, term: u32, records: Vec<Record>, written: Written) {
        if RecordLog::term(self) != Ok(term) {
            return written(Err(NotWritten::NotLed));
        }
        self.open.lock().push_back((records, written));
        if !self.held.load(Ordering::SeqCst) {
            self.finish_all();
        }
    }

    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.stored.lock().get(key).map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRecord<'_>) -> Result<(), StorageError> {
        let stored = self.stored.lock().clone();
        let from = stored.range(Bytes::copy_from_slice(from)..).filter(|(key, _)| key.starts_with(prefix));
        let _ = from.take_while(|(key, value)| each(key, value)).count();
        Ok(())
    }

    fn open_ms(&self) -> u64 {
        0
    }
}

/// No topics.
pub(super) struct NoTopics;

impl MetadataImage for NoTopics {
    fn topic(&self, _: &str) -> Option<(Uuid, i32)> {
        None
    }

    fn name(&self, _: Uuid) -> Option<&str> {
        None
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(std::iter::empty())
    }
}

pub(super) fn no_topics() -> Topics {
    Topics { version: 0, are_restricted: false, image: Arc::new(NoTopics) }
}

pub(super) fn protocol(name: &str, metadata: &'static [u8]) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::from_static(metadata) }
}

pub(super) fn commit(topic: &str, partition: i32, offset: i64) -> OffsetCommit {
    OffsetCommit {
        topic: topic.into(),
        topic_id: Uuid::nil(),
        partition,
        offset,
        leader_epoch: -1,
        metadata: Arc::default(),
    }
}

pub(super) struct Setup {
    pub(super) service: Arc<GroupService>,
    pub(super) log: Arc<TestLog>,
    pub(super) waiting: CancellationToken,
    pub(super) clock: Clock,
}

pub(super) const SESSION_MS: u32 = 150;
pub(super) const RETENTION_MS: u32 = 40;
/// The wall clock at the start of each test, Unix ms.
const STARTED_MS: i64 = 1_700_000_000_000;

/// A clock that stands still, so that no session ends and no offset expires because the machine is slow.
pub(super) fn clock() -> Clock {
    Clock::manual(STARTED_MS)
}

pub(super) fn service_on(log: Arc<TestLog>) -> Setup {
    service_with(log, Box::new(no_topics))
}

pub(super) fn service_with(log: Arc<TestLog>, topics: TopicSource) -> Setup {
    let config = GroupConfig {
        min_session_timeout_ms: 1,
        initial_rebalance_delay_ms: 0,
        offsets_retention_ms: RETENTION_MS.into(),
        offsets_retention_check_interval_ms: 10,
        ..GroupConfig::default()
    };
    let (tasks, waiting, clock) = (Tasks::new(), CancellationToken::new(), clock());
    let service = GroupService::new(
        GroupConfigs::new(config, []),
        clock.clone(),
        tasks,
        waiting.clone(),
        log.log(),
        topics,
        Arc::new(DiskReserve::unknown()),
    );
    service.shell.load(0, |prefix, each| log.scan_all(prefix, each)).unwrap();
    let service = Arc::new(service);
    service.start();
    Setup { service, log, waiting, clock }
}

pub(super) fn setup() -> Setup {
    service_on(Arc::default())
}

pub(super) fn request(id: &MemberId) -> JoinRequest {
    JoinRequest {
        member_id: id.clone(),
        group_instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: 1_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", b"")],
        requires_known_member_id: false,
        supports_skipping_assignment: true,
        reason: None,
        fresh: crate::random::id(),
    }
}

pub(super) fn group() -> GroupId {
    GroupId::from("g")
}

impl Setup {
    /// Lets that time pass. The timer task notices when its own wait ends, which is a real one.
    pub(super) fn pass(&self, ms: u32) {
        self.clock.advance(Duration::from_millis(ms.into()));
    }

    pub(super) async fn join(&self, id: &MemberId) -> JoinReply {
        self.service.join(&group(), request(id)).await
    }

    pub(super) async fn sync(&self, id: &MemberId, generation: i32) -> Result<Bytes, GroupError> {
        let request = SyncRequest {
            member_id: id.clone(),
            group_instance_id: None,
            generation: GenerationId(generation),
            protocol_type: None,
            protocol: None,
            assignments: HashMap::from([(id.clone(), Bytes::from_static(b"all"))]),
        };
        self.service.sync(&group(), request).await.map(|synced| synced.assignment)
    }

    /// A stable group of one member.
    pub(super) async fn stable(&self) -> MemberId {
        let reply = self.join(&MemberId::none()).await;
        assert_eq!(reply.result.unwrap().generation, GenerationId(1));
        assert_eq!(self.sync(&reply.member_id, 1).await.unwrap(), "all");
        reply.member_id
    }

    pub(super) async fn heartbeat(&self, id: &MemberId, generation: i32) -> Result<(), GroupError> {
        self.service.heartbeat(group().as_str(), id.as_str(), None, GenerationId(generation)).await
    }

    pub(super) async fn commit(&self, id: &MemberId, generation: i32, offset: i64) -> Result<(), GroupError> {
        let who = CommitIdentity {
            member_id: id.clone(),
            group_instance_id: None,
            generation: GenerationId(generation),
        };
        let terms = CommitTerms { who, retention_ms: None, knows_member_epochs: false };
        let results = self.service.commit(&group(), &terms, vec![commit("t", 0, offset)]).await?;
        results.into_iter().next().unwrap()
    }

    pub(super) async fn committed(&self) -> Option<i64> {
        let read = |offsets: Option<&coordinator::group::offsets::Offsets>| {
            offsets.and_then(|offsets| offsets.committed("t", 0)).map(|committed| committed.offset)
        };
        self.service.read_offsets(&group(), None, read).await.unwrap()
    }

    pub(super) async fn leave(&self, id: &MemberId) -> Result<(), GroupError> {
        let leaving = [LeavingMember { member_id: id.clone(), group_instance_id: None, reason: None }];
        self.service.leave(&group(), &leaving).await?.remove(0)
    }
}

/// True if a future is not ready after everything else has had its chance.
pub(super) async fn is_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}

pub(super) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = crate::clock::timer_now() + Duration::from_secs(10);
    while !holds().await {
        assert!(crate::clock::timer_now() < deadline, "it never came true");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
