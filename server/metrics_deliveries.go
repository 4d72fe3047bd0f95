package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sojourn-auth/sojourn/identity"
)

// deliveryKinds are shown also while there are none, so that alarms have something to look at.
var deliveryKinds = []identity.DeliveryKind{identity.LogoutDelivery, identity.MailDelivery}

// waiting shows how many deliveries wait and how many are dead, as the database says when it is asked.
type waiting struct {
	desc  *prometheus.Desc
	count func(context.Context) ([]identity.DeliveryCount, error)
}

// showDeliveries adds what count counts: what waits for other people's servers.
func (m *metrics) showDeliveries(count func(context.Context) ([]identity.DeliveryCount, error)) {
	m.registry.MustRegister(waiting{count: count, desc: prometheus.NewDesc("sojourn_deliveries",
		"Deliveries in the database, by kind and whether they wait or were given up.", []string{"kind", "state"}, nil)})
}

// Describe satisfies prometheus.Collector.
func (w waiting) Describe(to chan<- *prometheus.Desc) { to <- w.desc }

// Collect shows nothing while the database is away: the other metrics are needed then most of all.
func (w waiting) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	counts, err := w.count(ctx)
	if err != nil {
		return
	}
	byKind := map[identity.DeliveryKind]identity.DeliveryCount{}
	for _, c := range counts {
		byKind[c.Kind] = c
	}
	for _, kind := range deliveryKinds {
		c := byKind[kind]
		to <- prometheus.MustNewConstMetric(w.desc, prometheus.GaugeValue, float64(c.Waiting), string(kind), "waiting")
		to <- prometheus.MustNewConstMetric(w.desc, prometheus.GaugeValue, float64(c.Dead), string(kind), "dead")
	}
}
