package storage

import "time"

// micros is a time in a BIGINT column: microseconds since 1970 in UTC. Both databases store, compare and index it exactly.
type micros int64

// GormDataType keeps GORM from filling fields named CreatedAt or UpdatedAt itself, which it does with whole seconds for
// every integer that it recognises.
func (micros) GormDataType() string { return "bigint" }

// fromTime cuts t to microseconds.
func fromTime(t time.Time) micros { return micros(t.UnixMicro()) }

// fromTimeOrNull stores the zero time as NULL.
func fromTimeOrNull(t time.Time) *micros {
	if t.IsZero() {
		return nil
	}
	m := fromTime(t)
	return &m
}

// time is the way back, in UTC.
func (m micros) time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// timeOrZero reads NULL as the zero time.
func (m *micros) timeOrZero() time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.time()
}
