-- Makes n events as they would come from the topic: one JSON object a line, 746 bytes on average.
SELECT
 toDateTime('2019-09-23 11:00:00') + intDiv(number, 3) AS file_time,
 ['IssuesEvent','IssueCommentEvent','PullRequestEvent','WatchEvent','PushEvent','ForkEvent','PullRequestReviewCommentEvent','CreateEvent','ReleaseEvent'][rand(1)%9+1] AS event_type,
 'user' || toString(rand(2)%5000) AS actor_login,
 'ClickHouse/' || ['ClickHouse','clickhouse-go','clickhouse-jdbc'][rand(3)%3+1] AS repo_name,
 file_time - 17 AS created_at, created_at AS updated_at,
 ['none','created','edited','opened','closed','labeled'][rand(4)%6+1] AS action,
 rand64(5)%1000000000 AS comment_id,
 'src/Storages/' || hex(rand(6)) || '.cpp' AS path,
 'master' AS ref, 'branch' AS ref_type, 'user' || toString(rand(7)%500) AS creator_user_login,
 number AS number, 'Fix crash in "Kafka" engine \\ table ' || toString(rand(8)) || ' при записи' AS title,
 arrayMap(x -> ['bug','feature','backport','can be tested','documentation'][x%5+1], range(rand(9)%4)) AS labels,
 'open' AS state, 'user' || toString(rand(10)%50) AS assignee, [assignee] AS assignees,
 toDateTime(0) AS closed_at, toDateTime(0) AS merged_at, lower(hex(randomFixedString(20))) AS merge_commit_sha,
 ['user' || toString(rand(11)%50), 'user' || toString(rand(12)%50)] AS requested_reviewers, '' AS merged_by, rand(13)%20 AS review_comments, '' AS member_login
FROM numbers({n:UInt64}) FORMAT JSONEachRow
