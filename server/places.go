package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/sojourn-auth/sojourn/anomaly"
)

// placesEvery is how often the file is looked at.
const placesEvery = time.Minute

// places names where an address is, as far as a database of the operator's says. A nil one knows no place.
type places struct {
	file  string
	log   *slog.Logger
	stamp string // of the file as it was read last; it belongs to whoever watches
	db    atomic.Pointer[maxminddb.Reader]
}

// readPlaces opens the MaxMind DB file of SOJOURN_GEOIP, of cities or of countries; an empty name is none.
func readPlaces(file string, log *slog.Logger) (*places, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // documented above
	}
	p := &places{file: file, log: log, stamp: stampOf(file)}
	db, err := p.read()
	if err != nil {
		return nil, fmt.Errorf("SOJOURN_GEOIP: %w", err)
	}
	p.db.Store(db)
	return p, nil
}

// read reads the file whole: one that is written over while it is mapped would stop the process.
func (p *places) read() (*maxminddb.Reader, error) {
	content, err := os.ReadFile(p.file)
	if err != nil {
		return nil, err
	}
	db, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	if !strings.Contains(db.Metadata.DatabaseType, "City") && !strings.Contains(db.Metadata.DatabaseType, "Country") {
		return nil, fmt.Errorf("%s is a database of %q; one of cities or countries is needed", p.file, db.Metadata.DatabaseType)
	}
	return db, nil
}

// watch reads the file again when it was replaced, until ctx ends.
func (p *places) watch(ctx context.Context) {
	if p == nil {
		return
	}
	tick := time.NewTicker(placesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.look()
		}
	}
}

// look reads the file where it changed. While it is gone or holds nothing that works, what was read before is good, and the log is told
// once.
func (p *places) look() {
	stamp := stampOf(p.file)
	if stamp == p.stamp {
		return
	}
	p.stamp = stamp
	db, err := p.read()
	if err != nil {
		p.log.Error("the new SOJOURN_GEOIP file can't be used: the one before stays", "error", err)
		return
	}
	p.db.Store(db)
	p.log.Info("SOJOURN_GEOIP was read again", "built", db.Metadata.BuildTime())
}

// located is what we read of a network.
type located struct {
	City    named `maxminddb:"city"`
	Country struct {
		named
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Location struct {
		Lat *float64 `maxminddb:"latitude"`
		Lon *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

type named struct {
	Names map[string]string `maxminddb:"names"`
}

// find returns what is known of an address; nothing of most, and of a broken record as much as can be read.
func (p *places) find(address string) (found located) {
	at, err := netip.ParseAddr(address)
	if p == nil || err != nil {
		return found
	}
	if p.db.Load().Lookup(at).Decode(&found) != nil {
		return located{} // a broken record is no reason to show no page
	}
	return found
}

// place is what people call where an address is, such as "Berlin, Germany"; empty where nobody knows. It is a guess by
// the network, and pages say so.
func (p *places) place(address string) string {
	found := p.find(address)
	city, country := found.City.Names["en"], found.Country.Names["en"]
	if city == "" || country == "" {
		return city + country
	}
	return city + ", " + country
}

// locate is where an address is, for the rules of anomalies.
func (p *places) locate(address string) anomaly.Place {
	found := p.find(address)
	at := anomaly.Place{Country: found.Country.Code}
	if lat, lon := found.Location.Lat, found.Location.Lon; lat != nil && lon != nil {
		at.Lat, at.Lon, at.Located = *lat, *lon, true
	}
	if at.Lat < -90 || at.Lat > 90 || at.Lon < -180 || at.Lon > 180 {
		return anomaly.Place{Country: at.Country}
	}
	return at
}

// stampOf changes when a file does.
func stampOf(file string) string {
	info, err := os.Stat(file) // follows links: Kubernetes swaps one
	if err != nil {
		return "missing "
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
}
