package storage

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"gorm.io/gorm"
)

// A statement and a question to Redis are spans of the trace that the caller's context carries, if that one is recorded; else
// nothing is done. Statements are told with their placeholders, never their values; of Redis only which command it was.

// maxStatement is how much of a statement a span holds, in bytes.
const maxStatement = 2000

// begin begins a span inside of the one that ctx carries; nil where none is recorded.
func begin(ctx context.Context, system, name string) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	return parent.TracerProvider().Tracer("github.com/sojourn-auth/sojourn/storage").Start(ctx, name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system.name", system)))
}

// over ends a span. Of an error only its code is told: its words may hold values.
func over(span trace.Span, err error) {
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) && !errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, redis.Nil) {
		span.SetStatus(codes.Error, "")
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
			span.SetAttributes(attribute.String("db.response.status_code", refused.Code))
		}
	}
	span.End()
}

// describe gives a span the statement that it is of.
func describe(span trace.Span, statement string) {
	word, _, _ := strings.Cut(strings.TrimSpace(statement), " ")
	span.SetName(strings.ToUpper(word))
	span.SetAttributes(attribute.String("db.query.text", statement[:min(len(statement), maxStatement)]))
}

type spanKey struct{}

// pgxTracer makes spans of what goes to PostgreSQL.
type pgxTracer struct{}

// TraceQueryStart satisfies pgx.QueryTracer.
func (pgxTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	ctx, span := begin(ctx, "postgresql", "statement")
	if span == nil {
		return ctx
	}
	describe(span, q.SQL)
	return context.WithValue(ctx, spanKey{}, span)
}

// TraceQueryEnd satisfies pgx.QueryTracer.
func (pgxTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryEndData) {
	if span, ok := ctx.Value(spanKey{}).(trace.Span); ok {
		over(span, q.Err)
	}
}

// TraceBatchStart satisfies pgx.BatchTracer.
func (pgxTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	ctx, span := begin(ctx, "postgresql", "statements")
	if span == nil {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, span)
}

// TraceBatchQuery satisfies pgx.BatchTracer. The last statement gives the batch its name.
func (pgxTracer) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	if span, ok := ctx.Value(spanKey{}).(trace.Span); ok {
		describe(span, q.SQL)
	}
}

// TraceBatchEnd satisfies pgx.BatchTracer.
func (pgxTracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, q pgx.TraceBatchEndData) {
	if span, ok := ctx.Value(spanKey{}).(trace.Span); ok {
		over(span, q.Err)
	}
}

// gormSpan is where GORM keeps the span of a statement.
const gormSpan = "sojourn:span"

// traceSQLite makes spans of what goes to SQLite, whose driver has no place for them.
func traceSQLite(db *gorm.DB) error {
	before := func(tx *gorm.DB) {
		if _, span := begin(tx.Statement.Context, "sqlite", "statement"); span != nil {
			tx.InstanceSet(gormSpan, span)
		}
	}
	after := func(tx *gorm.DB) {
		if kept, ok := tx.InstanceGet(gormSpan); ok {
			span := kept.(trace.Span)
			describe(span, tx.Statement.SQL.String())
			over(span, tx.Error)
		}
	}
	on := db.Callback()
	const first, last = "sojourn:before", "sojourn:after"
	return errors.Join(
		on.Create().Before("*").Register(first, before), on.Create().After("*").Register(last, after),
		on.Query().Before("*").Register(first, before), on.Query().After("*").Register(last, after),
		on.Update().Before("*").Register(first, before), on.Update().After("*").Register(last, after),
		on.Delete().Before("*").Register(first, before), on.Delete().After("*").Register(last, after),
		on.Row().Before("*").Register(first, before), on.Row().After("*").Register(last, after),
		on.Raw().Before("*").Register(first, before), on.Raw().After("*").Register(last, after),
	)
}

// redisTracer makes spans of what goes to Redis.
type redisTracer struct{}

// DialHook satisfies redis.Hook.
func (redisTracer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook satisfies redis.Hook.
func (redisTracer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, span := begin(ctx, "redis", strings.ToUpper(cmd.Name()))
		err := next(ctx, cmd)
		if span != nil {
			over(span, err)
		}
		return err
	}
}

// ProcessPipelineHook satisfies redis.Hook.
func (redisTracer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, span := begin(ctx, "redis", "PIPELINE")
		err := next(ctx, cmds)
		if span != nil {
			over(span, err)
		}
		return err
	}
}
