package storage

// adminTokenRow lets a program use the admin API in an operator's name.
type adminTokenRow struct {
	Name       string `gorm:"primaryKey"`
	Hash       []byte
	CreatedAt  micros
	LastUsedAt *micros
}

// TableName is the table's name for GORM.
func (adminTokenRow) TableName() string { return "admin_tokens" }
