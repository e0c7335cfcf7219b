-- A ledger as the first version of the program left it: the DDL of its schema 0001 and what three runs wrote.
-- Never changed: every later version must be able to open it.

-- Schema

CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE attempts (
  attempt_id VARCHAR(32) NOT NULL,
  service TEXT NOT NULL,
  account VARCHAR(12) NOT NULL,
  request_id VARCHAR(32) NOT NULL,
  number INTEGER NOT NULL,
  state VARCHAR(16) NOT NULL,
  status_reason TEXT,
  price_credits FLOAT NOT NULL,
  credits FLOAT,
  resolution VARCHAR(8) NOT NULL,
  prompt_table TEXT NOT NULL,
  row_number BIGINT NOT NULL,
  run_id TEXT NOT NULL,
  table_version TEXT NOT NULL,
  input_json TEXT NOT NULL,
  task_id VARCHAR(128),
  fail_code TEXT,
  fail_msg TEXT,
  result_urls TEXT NOT NULL,
  claimed_at DATETIME NOT NULL,
  claim_expires_at DATETIME NOT NULL,
  submitted_at DATETIME,
  completed_at DATETIME,
  generation_s FLOAT,
  updated_at DATETIME NOT NULL,
  PRIMARY KEY (attempt_id)
);
CREATE TABLE regenerations (
  shard TEXT NOT NULL,
  label TEXT NOT NULL,
  at DATETIME NOT NULL,
  PRIMARY KEY (shard)
);
CREATE TABLE transitions (
  id INTEGER NOT NULL,
  attempt_id VARCHAR(32) NOT NULL,
  from_state VARCHAR(16),
  to_state VARCHAR(16) NOT NULL,
  at DATETIME NOT NULL,
  run_id TEXT NOT NULL,
  reason TEXT,
  PRIMARY KEY (id)
);
CREATE TABLE uploads (
  service TEXT NOT NULL,
  account VARCHAR(12) NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  url TEXT NOT NULL,
  uploaded_at DATETIME NOT NULL,
  PRIMARY KEY (service, account, sha256)
);
CREATE UNIQUE INDEX one_live_attempt_per_request ON attempts (service, request_id) WHERE state IN ('overdue', 'submitted', 'submitting', 'succeeded', 'unconfirmed');
CREATE INDEX attempts_of_request ON attempts (service, request_id);
CREATE INDEX attempts_in_state ON attempts (service, account, state);
CREATE INDEX attempts_of_table ON attempts (prompt_table, row_number);
CREATE UNIQUE INDEX task_ids ON attempts (service, task_id);
CREATE INDEX ix_transitions_attempt_id ON transitions (attempt_id);

-- Rows: alembic_version
INSERT INTO alembic_version (version_num) VALUES
('0001');

-- Rows: attempts
INSERT INTO attempts (attempt_id, service, account, request_id, number, state, status_reason, price_credits, credits, resolution, prompt_table, row_number, run_id, table_version, input_json, task_id, fail_code, fail_msg, result_urls, claimed_at, claim_expires_at, submitted_at, completed_at, generation_s, updated_at) VALUES
('000000000000000000000000a77e0001', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000001', 1, 'succeeded', NULL, 18.0, 18.0, '1K', 'boats', 0, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 1", "image_input": []}', 'task-0001', NULL, NULL, '["https://tempfile.example/a.png"]', '2026-03-01 23:58:30.250000', '2026-03-02 00:00:00.250000', '2026-03-01 23:58:31.050000', '2026-03-01 23:59:11.550000', 39.5, '2026-03-01 23:59:12.550000'),
('000000000000000000000000a77e0002', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000002', 1, 'succeeded', NULL, 24.0, 24.0, '4K', 'boats', 1, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "a \"tall\" ship, L''Étoile 🚢 {not a template}", "image_input": []}', 'task-0002', NULL, NULL, '["https://tempfile.example/b.png", "https://tempfile.example/c.png?x=1&y=''2''"]', '2026-03-01 23:58:32.250000', '2026-03-02 00:00:02.250000', '2026-03-01 23:58:33.050000', '2026-03-01 23:59:13.550000', 39.5, '2026-03-01 23:59:14.550000'),
('000000000000000000000000a77e0003', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000003', 1, 'succeeded', NULL, 18.0, 18.25, '1K', 'boats', 2, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 3", "image_input": []}', 'task-0003', NULL, NULL, '["https://tempfile.example/a.png"]', '2026-03-01 23:59:30.250000', '2026-03-02 00:01:00.250000', '2026-03-01 23:59:31.050000', '2026-03-02 00:00:11.550000', 39.5, '2026-03-02 00:00:12.550000'),
('000000000000000000000000a77e0004', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000004', 1, 'failed', 'KIE could not make the image: 500 Internal Error, Please try again later.', 18.0, 0.0, '1K', 'boats', 3, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 4", "image_input": []}', 'task-0004', '500', 'Internal Error, Please try again later.', '[]', '2026-03-01 23:59:40.250000', '2026-03-02 00:01:10.250000', '2026-03-01 23:59:41.050000', '2026-03-02 00:00:01.050000', NULL, '2026-03-02 00:00:01.050000'),
('000000000000000000000000a77e0005', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000004', 2, 'succeeded', NULL, 18.0, 18.0, '1K', 'boats', 3, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 4", "image_input": []}', 'task-0005', NULL, NULL, '["https://tempfile.example/a.png"]', '2026-03-02 00:00:05.250000', '2026-03-02 00:01:35.250000', '2026-03-02 00:00:06.050000', '2026-03-02 00:00:46.550000', 39.5, '2026-03-02 00:00:47.550000'),
('000000000000000000000000a77e0006', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000005', 1, 'failed', 'KIE could not make the image: 400 flagged as sensitive (E005)', 18.0, 0.0, '1K', 'boats', 4, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 5", "image_input": []}', 'task-0006', '400', 'flagged as sensitive (E005)', '[]', '2026-03-02 00:00:10.250000', '2026-03-02 00:01:40.250000', '2026-03-02 00:00:11.050000', '2026-03-02 00:00:31.050000', NULL, '2026-03-02 00:00:31.050000'),
('000000000000000000000000a77e0007', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000006', 1, 'failed', 'KIE could not make the image: no_result success without a result', 18.0, 18.0, '1K', 'boats', 5, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 6", "image_input": []}', 'task-0007', 'no_result', 'success without a result', '[]', '2026-03-02 00:00:11.250000', '2026-03-02 00:01:41.250000', '2026-03-02 00:00:12.050000', '2026-03-02 00:00:32.050000', NULL, '2026-03-02 00:00:32.050000'),
('000000000000000000000000a77e0008', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000007', 1, 'refused', 'rate_limited: too many requests', 18.0, 0.0, '1K', 'boats', 6, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 7", "image_input": []}', NULL, '429', 'too many requests', '[]', '2026-03-02 00:00:12.250000', '2026-03-02 00:01:42.250000', NULL, '2026-03-02 00:00:12.650000', NULL, '2026-03-02 00:00:12.650000'),
('000000000000000000000000a77e0009', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000007', 1, 'succeeded', NULL, 18.0, 18.0, '1K', 'boats', 6, '9d1e7b10-second', 'b5b6e1c0ffee', '{"prompt": "boat 7", "image_input": []}', 'task-0009', NULL, NULL, '["https://tempfile.example/a.png"]', '2026-03-02 00:01:50.250000', '2026-03-02 00:03:20.250000', '2026-03-02 00:01:51.050000', '2026-03-02 00:02:31.550000', 39.5, '2026-03-02 00:02:32.550000'),
('000000000000000000000000a77e000a', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000008', 1, 'refused', 'not_sent: api.kie.ai cannot be reached', 18.0, 0.0, '1K', 'boats', 7, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 8", "image_input": []}', NULL, NULL, 'api.kie.ai cannot be reached', '[]', '2026-03-02 00:00:13.250000', '2026-03-02 00:01:43.250000', NULL, '2026-03-02 00:00:13.350000', NULL, '2026-03-02 00:00:13.350000'),
('000000000000000000000000a77e000b', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000009', 1, 'unconfirmed', 'no answer to the order: ReadTimeout', 18.0, NULL, '1K', 'boats', 8, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 9", "image_input": []}', NULL, NULL, NULL, '[]', '2026-03-02 00:00:14.250000', '2026-03-02 00:01:44.250000', NULL, NULL, NULL, '2026-03-02 00:01:14.250000'),
('000000000000000000000000a77e000c', 'api.kie.ai', '0a1b2c3d4e5f', '0000000000000000000000000000000a', 1, 'succeeded', NULL, 18.0, 18.0, '1K', 'boats', 9, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 10", "image_input": []}', 'task-found-later', NULL, NULL, '["https://tempfile.example/a.png"]', '2026-03-02 00:00:15.250000', '2026-03-02 00:01:45.250000', '2026-03-02 00:13:30.250000', '2026-03-02 00:14:10.750000', 39.5, '2026-03-02 00:14:11.750000'),
('000000000000000000000000a77e000d', 'api.kie.ai', '0a1b2c3d4e5f', '0000000000000000000000000000000b', 1, 'abandoned', 'given up by hand', 18.0, NULL, '1K', 'boats', 10, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 11", "image_input": []}', NULL, NULL, NULL, '[]', '2026-03-02 00:00:16.250000', '2026-03-02 00:01:46.250000', NULL, '2026-03-02 00:58:30.250000', NULL, '2026-03-02 00:58:30.250000'),
('000000000000000000000000a77e000e', 'api.kie.ai', '0a1b2c3d4e5f', '0000000000000000000000000000000b', 2, 'submitted', NULL, 18.0, NULL, '1K', 'boats', 10, '9d1e7b10-second', 'b5b6e1c0ffee', '{"prompt": "boat 11", "image_input": []}', 'task-000e', NULL, NULL, '[]', '2026-03-02 01:00:10.250000', '2026-03-02 01:01:40.250000', '2026-03-02 01:00:11.050000', NULL, NULL, '2026-03-02 01:00:11.050000'),
('000000000000000000000000a77e000f', 'api.kie.ai', '0a1b2c3d4e5f', '0000000000000000000000000000000c', 1, 'overdue', 'no result within 900 s (still being made)', 18.0, NULL, '1K', 'boats', 11, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 12", "image_input": []}', 'task-000f', NULL, NULL, '[]', '2026-03-02 00:00:17.250000', '2026-03-02 00:01:47.250000', '2026-03-02 00:00:18.050000', NULL, NULL, '2026-03-02 00:15:20.250000'),
('000000000000000000000000a77e0010', 'api.kie.ai', 'ffeeddccbbaa', '0000000000000000000000000000000d', 1, 'succeeded', NULL, 18.0, 18.0, '1K', 'boats', 12, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 13", "image_input": []}', 'task-0010', NULL, NULL, '["https://tempfile.example/late.png"]', '2026-03-02 00:00:18.250000', '2026-03-02 00:01:48.250000', '2026-03-02 00:00:19.050000', '2026-03-02 00:30:10.250000', 1800.5, '2026-03-03 00:58:30.250000'),
('000000000000000000000000a77e0011', 'api.kie.ai', '0a1b2c3d4e5f', '0000000000000000000000000000000e', 1, 'abandoned', 'given up by hand', 18.0, NULL, '1K', 'boats', 13, '5f0c2a52-first', 'b5b6e1c0ffee', '{"prompt": "boat 14", "image_input": []}', 'task-0011', NULL, NULL, '[]', '2026-03-02 00:00:19.250000', '2026-03-02 00:01:49.250000', '2026-03-02 00:00:20.050000', '2026-03-03 00:58:31.250000', NULL, '2026-03-03 00:58:31.250000'),
('000000000000000000000000a77e0012', 'api.kie.ai', 'ffeeddccbbaa', '0000000000000000000000000000000f', 1, 'submitted', NULL, 12.0, NULL, '1K', 'boats', 14, 'c4d8f6e2-third', 'b5b6e1c0ffee', '{"prompt": "boat 15", "image_input": []}', 'task-0012', NULL, NULL, '[]', '2026-03-03 01:00:10.250000', '2026-03-03 01:01:40.250000', '2026-03-03 01:00:11.050000', NULL, NULL, '2026-03-03 01:00:11.050000'),
('000000000000000000000000a77e0013', 'api.kie.ai', '0a1b2c3d4e5f', '00000000000000000000000000000010', 1, 'submitting', NULL, 18.0, NULL, '1K', 'boats', 15, 'c4d8f6e2-third', 'b5b6e1c0ffee', '{"prompt": "boat 16", "image_input": []}', NULL, NULL, NULL, '[]', '2026-03-03 01:00:11.250000', '2026-03-03 01:01:41.250000', NULL, NULL, NULL, '2026-03-03 01:00:11.250000'),
('000000000000000000000000a77e0014', '127.0.0.1', '000000000000', '00000000000000000000000000000001', 1, 'succeeded', NULL, 18.0, 0.0, '1K', 'é/ü 你好', 1099511627776, 'c4d8f6e2-third', 'b5b6e1c0ffee', '{"prompt": "boat 1", "image_input": []}', 'task-0014', NULL, NULL, '["https://tempfile.example/a.png"]', '2026-03-03 01:00:12.250000', '2026-03-03 01:01:42.250000', '2026-03-03 01:00:13.050000', '2026-03-03 01:00:53.550000', 39.5, '2026-03-03 01:00:54.550000'),
('000000000000000000000000a77e0015', '127.0.0.1', '000000000000', '00000000000000000000000000000002', 1, 'submitting', NULL, 18.0, NULL, '1K', 'é/ü 你好', 1, 'c4d8f6e2-third', 'b5b6e1c0ffee', '{"prompt": "boat 2", "image_input": []}', NULL, NULL, NULL, '[]', '2026-03-03 01:00:13.250000', '2026-03-03 01:01:43.250000', NULL, NULL, NULL, '2026-03-03 01:00:13.250000');

-- Rows: transitions
INSERT INTO transitions (id, attempt_id, from_state, to_state, at, run_id, reason) VALUES
(1, '000000000000000000000000a77e0001', NULL, 'submitting', '2026-03-01 23:58:30.250000', '5f0c2a52-first', NULL),
(2, '000000000000000000000000a77e0001', 'submitting', 'submitted', '2026-03-01 23:58:31.050000', '5f0c2a52-first', NULL),
(3, '000000000000000000000000a77e0001', 'submitted', 'succeeded', '2026-03-01 23:59:12.550000', '5f0c2a52-first', NULL),
(4, '000000000000000000000000a77e0002', NULL, 'submitting', '2026-03-01 23:58:32.250000', '5f0c2a52-first', NULL),
(5, '000000000000000000000000a77e0002', 'submitting', 'submitted', '2026-03-01 23:58:33.050000', '5f0c2a52-first', NULL),
(6, '000000000000000000000000a77e0002', 'submitted', 'succeeded', '2026-03-01 23:59:14.550000', '5f0c2a52-first', NULL),
(7, '000000000000000000000000a77e0003', NULL, 'submitting', '2026-03-01 23:59:30.250000', '5f0c2a52-first', NULL),
(8, '000000000000000000000000a77e0003', 'submitting', 'submitted', '2026-03-01 23:59:31.050000', '5f0c2a52-first', NULL),
(9, '000000000000000000000000a77e0003', 'submitted', 'succeeded', '2026-03-02 00:00:12.550000', '5f0c2a52-first', NULL),
(10, '000000000000000000000000a77e0004', NULL, 'submitting', '2026-03-01 23:59:40.250000', '5f0c2a52-first', NULL),
(11, '000000000000000000000000a77e0004', 'submitting', 'submitted', '2026-03-01 23:59:41.050000', '5f0c2a52-first', NULL),
(12, '000000000000000000000000a77e0004', 'submitted', 'failed', '2026-03-02 00:00:01.050000', '5f0c2a52-first', 'KIE could not make the image: 500 Internal Error, Please try again later.'),
(13, '000000000000000000000000a77e0005', NULL, 'submitting', '2026-03-02 00:00:05.250000', '5f0c2a52-first', NULL),
(14, '000000000000000000000000a77e0005', 'submitting', 'submitted', '2026-03-02 00:00:06.050000', '5f0c2a52-first', NULL),
(15, '000000000000000000000000a77e0005', 'submitted', 'succeeded', '2026-03-02 00:00:47.550000', '5f0c2a52-first', NULL),
(16, '000000000000000000000000a77e0006', NULL, 'submitting', '2026-03-02 00:00:10.250000', '5f0c2a52-first', NULL),
(17, '000000000000000000000000a77e0006', 'submitting', 'submitted', '2026-03-02 00:00:11.050000', '5f0c2a52-first', NULL),
(18, '000000000000000000000000a77e0006', 'submitted', 'failed', '2026-03-02 00:00:31.050000', '5f0c2a52-first', 'KIE could not make the image: 400 flagged as sensitive (E005)'),
(19, '000000000000000000000000a77e0007', NULL, 'submitting', '2026-03-02 00:00:11.250000', '5f0c2a52-first', NULL),
(20, '000000000000000000000000a77e0007', 'submitting', 'submitted', '2026-03-02 00:00:12.050000', '5f0c2a52-first', NULL),
(21, '000000000000000000000000a77e0007', 'submitted', 'failed', '2026-03-02 00:00:32.050000', '5f0c2a52-first', 'KIE could not make the image: no_result success without a result'),
(22, '000000000000000000000000a77e0008', NULL, 'submitting', '2026-03-02 00:00:12.250000', '5f0c2a52-first', NULL),
(23, '000000000000000000000000a77e0008', 'submitting', 'refused', '2026-03-02 00:00:12.650000', '5f0c2a52-first', 'rate_limited: too many requests'),
(24, '000000000000000000000000a77e0009', NULL, 'submitting', '2026-03-02 00:01:50.250000', '9d1e7b10-second', NULL),
(25, '000000000000000000000000a77e0009', 'submitting', 'submitted', '2026-03-02 00:01:51.050000', '9d1e7b10-second', NULL),
(26, '000000000000000000000000a77e0009', 'submitted', 'succeeded', '2026-03-02 00:02:32.550000', '9d1e7b10-second', NULL),
(27, '000000000000000000000000a77e000a', NULL, 'submitting', '2026-03-02 00:00:13.250000', '5f0c2a52-first', NULL),
(28, '000000000000000000000000a77e000a', 'submitting', 'refused', '2026-03-02 00:00:13.350000', '5f0c2a52-first', 'not_sent: api.kie.ai cannot be reached'),
(29, '000000000000000000000000a77e000b', NULL, 'submitting', '2026-03-02 00:00:14.250000', '5f0c2a52-first', NULL),
(30, '000000000000000000000000a77e000b', 'submitting', 'unconfirmed', '2026-03-02 00:01:14.250000', '5f0c2a52-first', 'no answer to the order: ReadTimeout'),
(31, '000000000000000000000000a77e000c', NULL, 'submitting', '2026-03-02 00:00:15.250000', '5f0c2a52-first', NULL),
(32, '000000000000000000000000a77e000c', 'submitting', 'unconfirmed', '2026-03-02 00:00:16.250000', '5f0c2a52-first', 'answer HTTP 502: Bad Gateway'),
(33, '000000000000000000000000a77e000c', 'unconfirmed', 'submitted', '2026-03-02 00:13:30.250000', '9d1e7b10-second', NULL),
(34, '000000000000000000000000a77e000c', 'submitted', 'succeeded', '2026-03-02 00:14:11.750000', '5f0c2a52-first', NULL),
(35, '000000000000000000000000a77e000d', NULL, 'submitting', '2026-03-02 00:00:16.250000', '5f0c2a52-first', NULL),
(36, '000000000000000000000000a77e000d', 'submitting', 'unconfirmed', '2026-03-02 00:00:17.250000', '5f0c2a52-first', 'answer 200 without a task id'),
(37, '000000000000000000000000a77e000d', 'unconfirmed', 'abandoned', '2026-03-02 00:58:30.250000', '9d1e7b10-second', 'given up by hand'),
(38, '000000000000000000000000a77e000e', NULL, 'submitting', '2026-03-02 01:00:10.250000', '9d1e7b10-second', NULL),
(39, '000000000000000000000000a77e000e', 'submitting', 'submitted', '2026-03-02 01:00:11.050000', '9d1e7b10-second', NULL),
(40, '000000000000000000000000a77e000f', NULL, 'submitting', '2026-03-02 00:00:17.250000', '5f0c2a52-first', NULL),
(41, '000000000000000000000000a77e000f', 'submitting', 'submitted', '2026-03-02 00:00:18.050000', '5f0c2a52-first', NULL),
(42, '000000000000000000000000a77e000f', 'submitted', 'overdue', '2026-03-02 00:15:20.250000', '5f0c2a52-first', 'no result within 900 s (still being made)'),
(43, '000000000000000000000000a77e0010', NULL, 'submitting', '2026-03-02 00:00:18.250000', '5f0c2a52-first', NULL),
(44, '000000000000000000000000a77e0010', 'submitting', 'submitted', '2026-03-02 00:00:19.050000', '5f0c2a52-first', NULL),
(45, '000000000000000000000000a77e0010', 'submitted', 'overdue', '2026-03-02 00:15:21.250000', '5f0c2a52-first', 'no result within 900 s (still being made)'),
(46, '000000000000000000000000a77e0010', 'overdue', 'succeeded', '2026-03-03 00:58:30.250000', 'c4d8f6e2-third', NULL),
(47, '000000000000000000000000a77e0011', NULL, 'submitting', '2026-03-02 00:00:19.250000', '5f0c2a52-first', NULL),
(48, '000000000000000000000000a77e0011', 'submitting', 'submitted', '2026-03-02 00:00:20.050000', '5f0c2a52-first', NULL),
(49, '000000000000000000000000a77e0011', 'submitted', 'overdue', '2026-03-02 00:15:22.250000', '5f0c2a52-first', 'KIE does not know this task'),
(50, '000000000000000000000000a77e0011', 'overdue', 'abandoned', '2026-03-03 00:58:31.250000', 'c4d8f6e2-third', 'given up by hand'),
(51, '000000000000000000000000a77e0012', NULL, 'submitting', '2026-03-03 01:00:10.250000', 'c4d8f6e2-third', NULL),
(52, '000000000000000000000000a77e0012', 'submitting', 'submitted', '2026-03-03 01:00:11.050000', 'c4d8f6e2-third', NULL),
(53, '000000000000000000000000a77e0013', NULL, 'submitting', '2026-03-03 01:00:11.250000', 'c4d8f6e2-third', NULL),
(54, '000000000000000000000000a77e0014', NULL, 'submitting', '2026-03-03 01:00:12.250000', 'c4d8f6e2-third', NULL),
(55, '000000000000000000000000a77e0014', 'submitting', 'submitted', '2026-03-03 01:00:13.050000', 'c4d8f6e2-third', NULL),
(56, '000000000000000000000000a77e0014', 'submitted', 'succeeded', '2026-03-03 01:00:54.550000', 'c4d8f6e2-third', NULL),
(57, '000000000000000000000000a77e0015', NULL, 'submitting', '2026-03-03 01:00:13.250000', 'c4d8f6e2-third', NULL);

-- Rows: uploads
INSERT INTO uploads (service, account, sha256, url, uploaded_at) VALUES
('127.0.0.1', '000000000000', '1111111111111111111111111111111111111111111111111111111111111111', 'http://127.0.0.1/in.png', '2026-03-03 01:00:10.250000'),
('api.kie.ai', '0a1b2c3d4e5f', '1111111111111111111111111111111111111111111111111111111111111111', 'https://tempfile.example/in/0.png', '2026-03-01 23:58:40.250000'),
('api.kie.ai', 'ffeeddccbbaa', '2222222222222222222222222222222222222222222222222222222222222222', 'https://tempfile.example/in/1.png', '2026-03-01 23:58:41.250000');

-- Rows: regenerations
INSERT INTO regenerations (shard, label, at) VALUES
('boats.0000', '2026-03-02T00:00:00.000000Z', '2026-03-02 00:00:30.250000'),
('ships.0001', 'it''s better now', '2026-03-02 00:00:31.750000');
