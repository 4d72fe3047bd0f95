package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// LoadReport is what Load found. Times are in milliseconds.
type LoadReport struct {
	Target             string  `json:"target"`
	Devices            int     `json:"devices"`
	Seconds            float64 `json:"seconds"`
	Rate               float64 `json:"rate"` // that was asked for
	Refreshes          int     `json:"refreshes"`
	RefreshesPerSecond float64 `json:"refreshes_per_second"`
	ForcedLogins       int     `json:"forced_logins"`
	CutConnections     int     `json:"cut_connections"`
	Parallel           int     `json:"parallel_refreshes"` // pairs
	Unanswered         int     `json:"unanswered"`         // 5xx, 429 and broken connections; phones came again
	P50                float64 `json:"p50_ms"`
	P90                float64 `json:"p90_ms"`
	P99                float64 `json:"p99_ms"`
	Max                float64 `json:"max_ms"`
}

func (l *load) report(took time.Duration) LoadReport {
	c := l.seen
	slices.Sort(c.took)
	at := func(share float64) float64 {
		if len(c.took) == 0 {
			return 0
		}
		i := min(len(c.took)-1, int(share*float64(len(c.took))))
		return math.Round(float64(c.took[i].Microseconds())/10) / 100
	}
	return LoadReport{
		Target: l.Target, Devices: l.Devices, Seconds: math.Round(took.Seconds()*10) / 10, Rate: l.Rate,
		Refreshes: len(c.took), RefreshesPerSecond: math.Round(float64(len(c.took))/took.Seconds()*10) / 10,
		ForcedLogins: c.forcedLogins, CutConnections: c.cut, Parallel: c.pairs, Unanswered: c.unanswered,
		P50: at(.5), P90: at(.9), P99: at(.99), Max: at(1),
	}
}

// String says it to people.
func (r LoadReport) String() string {
	return fmt.Sprintf(`%d devices at %s for %.1f s

forced logins        %d
refreshes            %d, %.1f/s of the %g/s that were asked for
answered within      %.2f ms (half), %.2f ms (90 %%), %.2f ms (99 %%), %.2f ms (all)
mishaps              %d connections cut, %d asked twice, %d not answered`,
		r.Devices, r.Target, r.Seconds, r.ForcedLogins, r.Refreshes, r.RefreshesPerSecond, r.Rate,
		r.P50, r.P90, r.P99, r.Max, r.CutConnections, r.Parallel, r.Unanswered)
}
