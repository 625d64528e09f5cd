//! What Tidemark claims, against naive twins and real servers. One binary; a module for each part.

// `cfg(test)` is always so here; it tells clippy that these are tests, where a panic is a verdict.
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod addresses;
#[cfg(test)]
mod arrangement;
#[cfg(test)]
mod attack;
#[cfg(test)]
#[path = "../../src/peer_tls/authority.rs"]
mod authority;
#[cfg(test)]
mod avro;
#[cfg(test)]
mod awaited_topic;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod by_arrival;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod change_log;
#[cfg(test)]
mod change_rows;
#[cfg(test)]
mod changed_job;
#[cfg(test)]
mod changed_topic;
#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod console;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod crash_loop;
#[cfg(test)]
mod decimals;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod event_time;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod feast;
#[cfg(test)]
mod files;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod forget;
#[cfg(test)]
mod found_later;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod half_log;
#[cfg(test)]
mod health;
#[cfg(test)]
mod historical;
#[cfg(test)]
mod history_files;
#[cfg(test)]
mod holding;
#[cfg(test)]
mod hybrid;
#[cfg(test)]
mod incomplete;
#[cfg(test)]
mod init;
#[cfg(test)]
mod init_formats;
#[cfg(test)]
mod invalid_fields;
#[cfg(test)]
mod json;
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod kafka_record;
#[cfg(test)]
mod kept_log;
#[cfg(test)]
mod kept_tables;
#[cfg(test)]
mod kept_topics;
#[cfg(test)]
mod letter_replay;
#[cfg(test)]
mod life_signs;
#[cfg(test)]
mod live;
#[cfg(test)]
mod looked_up;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod online;
#[cfg(test)]
mod own_records;
#[cfg(test)]
mod page;
#[cfg(test)]
mod parquet;
#[cfg(test)]
mod positions;
#[cfg(test)]
mod postgres_rows;
#[cfg(test)]
mod postgres_server;
#[cfg(test)]
mod producers;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod rebinding;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod redis_server;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod restart_online;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod row_files;
#[cfg(test)]
mod row_sink;
#[cfg(test)]
mod run;
#[cfg(test)]
mod running;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod sealed_topics;
#[cfg(test)]
mod served_by_arrival;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod short_lived;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod state_bytes;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod twin;
#[cfg(test)]
mod unique;
#[cfg(test)]
mod validate_pit;
#[cfg(test)]
mod why;
#[cfg(test)]
mod windows;
