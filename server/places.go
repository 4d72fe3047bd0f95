package server

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"
)

// places names where an address is, as far as a database of the operator's says. The zero value knows no place.
type places struct{ db *maxminddb.Reader }

// readPlaces opens the MaxMind DB file of SOJOURN_GEOIP, of cities or of countries; an empty name is none.
func readPlaces(file string) (places, error) {
	if file == "" {
		return places{}, nil
	}
	db, err := maxminddb.Open(file)
	if err != nil {
		return places{}, fmt.Errorf("SOJOURN_GEOIP: %w", err)
	}
	if !strings.Contains(db.Metadata.DatabaseType, "City") && !strings.Contains(db.Metadata.DatabaseType, "Country") {
		return places{}, fmt.Errorf("SOJOURN_GEOIP: %s is a database of %q; one of cities or countries is needed",
			file, db.Metadata.DatabaseType)
	}
	return places{db}, nil
}

// place is what people call where an address is, such as "Berlin, Germany"; empty where nobody knows. It is a guess by
// the network, and pages say so.
func (p places) place(address string) string {
	at, err := netip.ParseAddr(address)
	if p.db == nil || err != nil {
		return ""
	}
	var found struct {
		City    named `maxminddb:"city"`
		Country named `maxminddb:"country"`
	}
	if p.db.Lookup(at).Decode(&found) != nil {
		return "" // a broken record is no reason to show no page
	}
	city, country := found.City.Names["en"], found.Country.Names["en"]
	if city == "" || country == "" {
		return city + country
	}
	return city + ", " + country
}

type named struct {
	Names map[string]string `maxminddb:"names"`
}
