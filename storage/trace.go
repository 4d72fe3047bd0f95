package storage

import (
	"context"
	"time"

	"gorm.io/gorm/logger"
)

// tracer tells every statement to a function, with placeholders instead of values: those hold hashes and addresses.
type tracer struct {
	logger.Interface
	tell func(statement string)
}

// LogMode keeps the tracer as it is.
func (t tracer) LogMode(logger.LogLevel) logger.Interface { return t }

// Trace is called by GORM after each statement.
func (t tracer) Trace(_ context.Context, _ time.Time, statement func() (string, int64), _ error) {
	text, _ := statement()
	t.tell(text)
}

// ParamsFilter leaves the values out.
func (tracer) ParamsFilter(_ context.Context, statement string, _ ...any) (string, []any) {
	return statement, nil
}

// traced is the logger that options ask for.
func traced(tell func(string)) logger.Interface {
	if tell == nil {
		return logger.Discard
	}
	return tracer{Interface: logger.Discard, tell: tell}
}
