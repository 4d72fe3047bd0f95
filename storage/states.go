package storage

import "github.com/google/uuid"

// stateRow is one document of an app about a person.
type stateRow struct {
	UserID    uuid.UUID `gorm:"primaryKey"`
	ClientID  string    `gorm:"primaryKey"`
	Key       string    `gorm:"primaryKey"`
	Value     string    // JSON; empty once deleted
	Version   int64     // grows with every write; the ETag
	UpdatedAt micros
	Deleted   bool
}

// TableName is the table's name for GORM.
func (stateRow) TableName() string { return "states" }
