// Runs golang-migrate on a folder of migrations, as its command line tool does: go-migrate <folder> <database URL> <command>.
// `up` and `down` say "no change" when there is nothing to do, as the tool does.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"

	// What the tool's own build uses for the connection: the old driver, of 2020.
	_ "github.com/ClickHouse/clickhouse-go"
	"github.com/golang-migrate/migrate/v4"
	_ "github.com/golang-migrate/migrate/v4/database/clickhouse"
	_ "github.com/golang-migrate/migrate/v4/source/file"
)

func main() {
	folder, url, command := os.Args[1], os.Args[2], os.Args[3]
	migration, err := migrate.New("file://"+folder, url)
	check(err)
	switch command {
	case "up":
		report(migration.Up())
	case "down":
		report(migration.Down())
	case "version":
		version, dirty, err := migration.Version()
		check(err)
		fmt.Println(version, dirty)
	default:
		log.Fatalf("unknown command %s", command)
	}
	sourceErr, databaseErr := migration.Close()
	check(errors.Join(sourceErr, databaseErr))
}

func report(err error) {
	if errors.Is(err, migrate.ErrNoChange) {
		fmt.Println(err)
		return
	}
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
