package storage

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/sojourn-auth/sojourn/identity"
)

// column is one column of the table of Ts: its name, and what in a T it is read into and written from. That is a pointer;
// the types below spell what the database keeps another way.
type column[T any] struct {
	name string
	of   func(*T) any
}

type columns[T any] []column[T]

// names are the columns for a statement, each behind the alias of its table; "" where there is none.
func (c columns[T]) names(alias string) string {
	names := make([]string, len(c))
	for i, column := range c {
		names[i] = column.name
	}
	if alias != "" {
		alias += "."
	}
	return alias + strings.Join(names, ", "+alias)
}

// except are the columns without the named ones, in their order.
func (c columns[T]) except(names ...string) columns[T] {
	return slices.DeleteFunc(slices.Clone(c), func(column column[T]) bool { return slices.Contains(names, column.name) })
}

// only are the named columns, in their order.
func (c columns[T]) only(names ...string) columns[T] {
	return slices.DeleteFunc(slices.Clone(c), func(column column[T]) bool { return !slices.Contains(names, column.name) })
}

// in is where the columns of a row are scanned into, and after them what the statement selects beside.
func (c columns[T]) in(t *T, beside ...any) []any {
	dest := make([]any, 0, len(c)+len(beside))
	for _, column := range c {
		dest = append(dest, column.of(t))
	}
	return append(dest, beside...)
}

// inserted are the values of a new row for INSERT ... SELECT: what instead says for a column, else its own argument, @name.
func (c columns[T]) inserted(instead map[string]string) string {
	values := make([]string, len(c))
	for i, column := range c {
		values[i] = "@" + column.name
		if other, known := instead[column.name]; known {
			values[i] = other
		}
	}
	return strings.Join(values, ", ")
}

// args are the arguments of a statement that calls them by the columns' names, with those that it knows beside.
func (c columns[T]) args(t *T, beside map[string]any) map[string]any {
	for _, column := range c {
		beside[column.name] = column.of(t)
	}
	return beside
}

// moment is a time as micros.
type moment time.Time

// Scan reads microseconds.
func (m *moment) Scan(value any) error {
	n, is := value.(int64)
	if !is {
		return fmt.Errorf("a time is no %T", value)
	}
	*m = moment(micros(n).time())
	return nil
}

// ScanInt64 is Scan for pgx itself, which then need not box the number.
func (m *moment) ScanInt64(n pgtype.Int8) error {
	if !n.Valid {
		return m.Scan(nil)
	}
	*m = moment(micros(n.Int64).time())
	return nil
}

// Value writes microseconds.
func (m *moment) Value() (driver.Value, error) { return time.Time(*m).UnixMicro(), nil }

// momentOrNull is one that may not have come: the zero time is NULL.
type momentOrNull time.Time

// Scan reads microseconds or NULL.
func (m *momentOrNull) Scan(value any) error {
	if value == nil {
		*m = momentOrNull{}
		return nil
	}
	return (*moment)(m).Scan(value)
}

// Value writes microseconds or NULL.
func (m *momentOrNull) Value() (driver.Value, error) {
	if time.Time(*m).IsZero() {
		return nil, nil
	}
	return (*moment)(m).Value()
}

// momentOrZero is one that may not have come yet: the zero time is 0, so that the column never grows.
type momentOrZero time.Time

// Scan reads microseconds or 0.
func (m *momentOrZero) Scan(value any) error {
	if value == int64(0) {
		*m = momentOrZero{}
		return nil
	}
	return (*moment)(m).Scan(value)
}

// ScanInt64 is Scan for pgx itself.
func (m *momentOrZero) ScanInt64(n pgtype.Int8) error {
	if n.Valid && n.Int64 == 0 {
		*m = momentOrZero{}
		return nil
	}
	return (*moment)(m).ScanInt64(n)
}

// Value writes microseconds or 0.
func (m *momentOrZero) Value() (driver.Value, error) {
	if time.Time(*m).IsZero() {
		return int64(0), nil
	}
	return (*moment)(m).Value()
}

// dayNumber is an identity.Day as its number.
type dayNumber identity.Day

// Scan reads the number.
func (d *dayNumber) Scan(value any) error {
	n, is := value.(int64)
	if !is {
		return fmt.Errorf("a day is no %T", value)
	}
	*d = dayNumber(n)
	return nil
}

// Value writes it.
func (d *dayNumber) Value() (driver.Value, error) { return int64(*d), nil }

// described is an identity.Described as JSON.
type described identity.Described

// Scan reads JSON.
func (d *described) Scan(value any) error {
	switch text := value.(type) {
	case string:
		return json.Unmarshal([]byte(text), d)
	case []byte:
		return json.Unmarshal(text, d)
	}
	return fmt.Errorf("JSON is no %T", value)
}

// Value writes JSON.
func (d described) Value() (driver.Value, error) {
	text, err := json.Marshal(d)
	return string(text), err
}

// words are values with spaces between them, as in scope.
type words []string

// Scan splits a text.
func (w *words) Scan(value any) error {
	text, is := value.(string)
	if !is {
		return fmt.Errorf("words are no %T", value)
	}
	*w = identity.SplitScope(text)
	return nil
}

// ScanText is Scan for pgx itself.
func (w *words) ScanText(text pgtype.Text) error {
	*w = identity.SplitScope(text.String)
	return nil
}

// Value writes them as one text.
func (w *words) Value() (driver.Value, error) { return strings.Join(*w, " "), nil }

// thumbprint is the one of a key, empty for none.
type thumbprint identity.Thumbprint

// Scan reads the bytes of a thumbprint.
func (t *thumbprint) Scan(value any) error {
	bytes, is := value.([]byte)
	if !is {
		return fmt.Errorf("a thumbprint is no %T", value)
	}
	*t = thumbprint{}
	copy(t[:], bytes)
	return nil
}

// Value writes them.
func (t *thumbprint) Value() (driver.Value, error) { return t.bytes(), nil }

func (t thumbprint) bytes() []byte {
	if t == (thumbprint{}) {
		return []byte{}
	}
	return t[:]
}
