package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) migrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long:  "Migrate brings the database's schema up to what this program needs. On SQLite every command does so by itself.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := p.load(nil)
			if err != nil {
				return err
			}
			return p.with(cmd.Context(), cfg, p.migrateOne)
		},
	}
}

func (p *program) migrateOne(ctx context.Context, o opened) error {
	before, _, err := o.db.Pending(ctx)
	if err != nil {
		return err
	}
	if err := o.db.Migrate(ctx); err != nil {
		return err
	}
	after, _, err := o.db.Pending(ctx)
	if err != nil {
		return err
	}
	sentence := fmt.Sprintf("The schema is at version %d.", after)
	if before < after {
		sentence = fmt.Sprintf("The schema went from version %d to %d.", before, after)
	}
	return p.print(struct {
		Before int64 `json:"before"`
		Now    int64 `json:"schema"`
	}{before, after}, sentence)
}
