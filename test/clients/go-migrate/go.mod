module sluice/go-migrate

go 1.26.0

require (
	github.com/ClickHouse/clickhouse-go v1.4.3
	github.com/golang-migrate/migrate/v4 v4.20.1
)

require github.com/cloudflare/golz4 v0.0.0-20150217214814-ef862a3cdc58 // indirect
