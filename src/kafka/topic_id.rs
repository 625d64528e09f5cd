//! What a broker says of topics: how many partitions each has, and its id (KIP-516), which a topic
//! that is deleted and made anew does not keep.
//!
//! # Why this way
//!
//! The id is all that tells a topic from another of the same name. The safe client shows it nowhere:
//! its metadata has no ids, its statistics neither, and of librdkafka's calls only `DescribeTopics`
//! returns one, for which the client has no wrapper. So this file calls librdkafka itself, and it is
//! the only one with `unsafe`: one request, one answer, nothing kept.
#![expect(unsafe_code, reason = "librdkafka's DescribeTopics has no safe wrapper; see the module")]

use rdkafka::bindings::{
    self, rd_kafka_AdminOptions_t, rd_kafka_TopicCollection_t, rd_kafka_TopicDescription_t,
    rd_kafka_admin_op_t, rd_kafka_event_t, rd_kafka_queue_t,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::ptr;
use std::time::Duration;

/// How much longer than the request may take is waited for librdkafka to say that it took too long.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);
/// Room for an error text of librdkafka.
const ERROR_TEXT: usize = 256;

/// The id of a topic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TopicId(u64, u64);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// How many partitions it has, or why they do not say.
    pub(super) partitions: Result<u32, Code>,
    /// Its id; `None`: the broker is older than ids (Kafka 2.8), or did not say.
    pub(super) id: Option<TopicId>,
}

/// Frees what librdkafka has allocated, once.
struct Freed<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Freed<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the pointer came from the constructor that belongs to this destructor, is not
            // null, was freed by nobody else (`Freed` is not `Clone` and owns it), and what was read
            // of it has been copied.
            unsafe { self.1(self.0) }
        }
    }
}

/// Asks the brokers for a topic. Blocks for at most `timeout` and a second.
///
/// # Errors
/// Why there was no answer.
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Described, String> {
    let name = CString::new(topic).map_err(|_| format!("'{topic}' is no topic's name"))?;
    let mut names: [*const c_char; 1] = [name.as_ptr()];
    let rk = client.native_ptr();
    // SAFETY: `rk` lives as long as `client`. `names` is an array of one text that ends with 0 and
    // lives until the end of this function; librdkafka copies it.
    let topics: Freed<rd_kafka_TopicCollection_t> = Freed(
        unsafe { bindings::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1) },
        bindings::rd_kafka_TopicCollection_destroy,
    );
    let op = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: as above.
    let options: Freed<rd_kafka_AdminOptions_t> = Freed(
        unsafe { bindings::rd_kafka_AdminOptions_new(rk, op) },
        bindings::rd_kafka_AdminOptions_destroy,
    );
    // SAFETY: as above.
    let queue: Freed<rd_kafka_queue_t> =
        Freed(unsafe { bindings::rd_kafka_queue_new(rk) }, bindings::rd_kafka_queue_destroy);
    if topics.0.is_null() || options.0.is_null() || queue.0.is_null() {
        return Err("librdkafka has no memory for the question".to_owned());
    }
    let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let mut text = [0; ERROR_TEXT];
    // SAFETY: `options` is not null, and `text` has as many bytes as is said.
    let set = unsafe {
        bindings::rd_kafka_AdminOptions_set_request_timeout(
            options.0,
            millis(timeout),
            text.as_mut_ptr(),
            ERROR_TEXT,
        )
    };
    if Code::from(set) != Code::NoError {
        return Err(format!("a timeout of {timeout:?} is refused: {}", Code::from(set)));
    }
    // SAFETY: none of the pointers is null. librdkafka copies topics and options, and holds a
    // reference to the queue for as long as it may put an answer there.
    unsafe { bindings::rd_kafka_DescribeTopics(rk, topics.0, options.0, queue.0) };
    // SAFETY: `queue` is not null; the event that is returned belongs to us.
    let event: Freed<rd_kafka_event_t> = Freed(
        unsafe { bindings::rd_kafka_queue_poll(queue.0, millis(timeout + ANSWER_MARGIN)) },
        bindings::rd_kafka_event_destroy,
    );
    if event.0.is_null() {
        return Err("librdkafka gave no answer in time".to_owned());
    }
    answer(&event)
}

/// What the answer says of its only topic.
fn answer(event: &Freed<rd_kafka_event_t>) -> Result<Described, String> {
    // SAFETY: the event is not null and lives as long as `event` is borrowed; the text belongs to
    // it, is not null and ends with 0, and is copied here.
    let (failed, why) = unsafe {
        let why = CStr::from_ptr(bindings::rd_kafka_event_error_string(event.0));
        (Code::from(bindings::rd_kafka_event_error(event.0)), why.to_string_lossy().into_owned())
    };
    if failed != Code::NoError {
        return Err(why);
    }
    let mut count = 0;
    // SAFETY: as above. The result is null where the event is of another type; its topics belong to
    // the event, and are `count` pointers, none of them null.
    let topic = unsafe {
        let result = bindings::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err("librdkafka answered another question".to_owned());
        }
        let topics = bindings::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 || topics.is_null() { ptr::null() } else { *topics }
    };
    match topic.is_null() {
        true => Err("the answer holds no topic".to_owned()),
        // SAFETY: not null, and it belongs to the event, which is borrowed.
        false => Ok(unsafe { described(topic) }),
    }
}

/// Copies what is asked for out of a description.
///
/// # Safety
/// `topic` points to a description of an event that lives.
unsafe fn described(topic: *const rd_kafka_TopicDescription_t) -> Described {
    // SAFETY: by the function's contract. The id is null where there is none.
    let (code, id) = unsafe {
        let error = bindings::rd_kafka_TopicDescription_error(topic);
        let id = bindings::rd_kafka_TopicDescription_topic_id(topic);
        let id = match id.is_null() {
            true => (0, 0),
            false => (
                bindings::rd_kafka_Uuid_most_significant_bits(id),
                bindings::rd_kafka_Uuid_least_significant_bits(id),
            ),
        };
        // A null error is none.
        let code = match error.is_null() {
            true => Code::NoError,
            false => Code::from(bindings::rd_kafka_error_code(error)),
        };
        (code, id)
    };
    let mut count = 0;
    // SAFETY: by the function's contract; only the count is looked at.
    unsafe { bindings::rd_kafka_TopicDescription_partitions(topic, &raw mut count) };
    let partitions = match code {
        Code::NoError => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
        code => Err(code),
    };
    // An id of zeros is none.
    let id = (id != (0, 0)).then(|| TopicId(id.0.cast_unsigned(), id.1.cast_unsigned()));
    Described { partitions, id }
}
