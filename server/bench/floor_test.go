package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "modernc.org/sqlite"
)

// serveFloor is the least that a refresh can cost: parse a form, one UPDATE … RETURNING by primary key, one ES256
// signature, some JSON.
func serveFloor(address, dsn string) error {
	advance, err := floorUpdate(dsn)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	http.Handle("/metrics", promhttp.Handler())
	http.HandleFunc("POST /refresh", func(w http.ResponseWriter, r *http.Request) {
		generation, err := advance(r.Context(), r.PostFormValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%s.%d.%d", r.PostFormValue("id"), generation, time.Now().Unix()))
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"%x","generation":%d}`, signature, generation)
	})
	server := &http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// floorUpdate writes the same columns as a refresh does, and compares no more than the id.
func floorUpdate(dsn string) (func(ctx context.Context, id string) (int64, error), error) {
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(10000)&_txlock=immediate")
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		return func(ctx context.Context, id string) (generation int64, err error) {
			err = db.QueryRowContext(ctx, `UPDATE sessions SET generation = generation + 1, last_used_at = ?, idle_ends_at = idle_ends_at + 1
				WHERE id = ? RETURNING generation`, time.Now().UnixMicro(), id).Scan(&generation)
			return generation, err
		}, nil
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 32
	async := os.Getenv("SOJOURN_REFRESH_DURABILITY") == "async"
	if async {
		config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	var how string
	if err := pool.QueryRow(context.Background(), "SHOW synchronous_commit").Scan(&how); err != nil || (how == "off") != async {
		return nil, fmt.Errorf("the floor must commit as the server does, but synchronous_commit is %q (%w)", how, err)
	}
	return func(ctx context.Context, id string) (generation int64, err error) {
		err = pool.QueryRow(ctx, `UPDATE sessions SET generation = generation + 1, last_used_at = $1, idle_ends_at = idle_ends_at + 1
			WHERE id = $2 RETURNING generation`, time.Now().UnixMicro(), id).Scan(&generation)
		return generation, err
	}, nil
}
