package main

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	databaseName = "app"
	roleName     = "app_owner"
)

// projectBody is a request's; Neon wraps what is asked for.
type projectBody struct {
	Project any `json:"project"`
}

// Project is what a create asks for.
type Project struct {
	Limits
	Name           string `json:"name"`
	RegionID       string `json:"region_id"`
	PgVersion      int    `json:"pg_version"`
	StorePasswords bool   `json:"store_passwords"`
	Branch         branch `json:"branch"`
}

// Limits are those parts of a project that follow its tier.
type Limits struct {
	HistoryRetention int64   `json:"history_retention_seconds"`
	Compute          compute `json:"default_endpoint_settings"`
	Settings         struct {
		Quota quota `json:"quota"`
	} `json:"settings"`
}

type compute struct {
	MinCU   float64 `json:"autoscaling_limit_min_cu"`
	MaxCU   float64 `json:"autoscaling_limit_max_cu"`
	Suspend int64   `json:"suspend_timeout_seconds"`
}

type quota struct {
	ComputeTime  int64 `json:"compute_time_seconds"`
	ActiveTime   int64 `json:"active_time_seconds"`
	LogicalSize  int64 `json:"logical_size_bytes"`
	WrittenData  int64 `json:"written_data_bytes"`
	DataTransfer int64 `json:"data_transfer_bytes"`
}

type branch struct {
	Name        string            `json:"name"`
	Database    string            `json:"database_name"`
	Role        string            `json:"role_name"`
	Annotations map[string]string `json:"annotations"`
}

func newProject(cluster string, tenant *TenantDatabase, tier *DatabaseTier) (Project, error) {
	limits, err := newLimits(tier)
	if err != nil {
		return Project{}, err
	}
	name, err := projectName(cluster, tenant)
	if err != nil {
		return Project{}, err
	}
	return Project{
		Limits:         limits,
		Name:           name,
		RegionID:       tier.Spec.Regions[0],
		PgVersion:      tier.Spec.PostgresVersions[0],
		StorePasswords: true,
		Branch: branch{
			Name:     "main",
			Database: databaseName,
			Role:     roleName,
			Annotations: map[string]string{
				"neontenants.io/cluster":   cluster,
				"neontenants.io/namespace": tenant.Namespace,
				"neontenants.io/name":      tenant.Name,
				"neontenants.io/uid":       string(tenant.UID),
			},
		},
	}, nil
}

func newLimits(tier *DatabaseTier) (Limits, error) {
	var (
		read   reader
		limits Limits
		spec   = &tier.Spec
	)
	limits.HistoryRetention = read.seconds(spec.HistoryRetention)
	limits.Compute = compute{
		MinCU:   spec.Compute.MinCU,
		MaxCU:   spec.Compute.MaxCU,
		Suspend: read.seconds(spec.Compute.SuspendAfter),
	}
	limits.Settings.Quota = quota{
		ComputeTime:  read.seconds(spec.Quota.ComputeTime),
		ActiveTime:   read.seconds(spec.Quota.ActiveTime),
		LogicalSize:  read.bytes(spec.Quota.StoragePerBranch),
		WrittenData:  read.bytes(spec.Quota.WrittenData),
		DataTransfer: read.bytes(spec.Quota.DataTransfer),
	}
	return limits, read.err
}

// reader turns a tier's texts into Neon's numbers, and keeps the first error.
type reader struct {
	err error
}

func (r *reader) seconds(text string) int64 {
	switch text {
	case "Unlimited":
		return 0
	case "Never":
		return -1
	}
	duration, err := time.ParseDuration(text)
	r.keep(err, text)
	return int64(duration / time.Second)
}

func (r *reader) bytes(text string) int64 {
	if text == "Unlimited" {
		return 0
	}
	quantity, err := resource.ParseQuantity(text)
	r.keep(err, text)
	return quantity.Value()
}

func (r *reader) keep(err error, text string) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%q: %w", text, err)
	}
}

// projectName is the name that the operator would give (core/marker.py), so that both send as many bytes.
func projectName(cluster string, tenant *TenantDatabase) (string, error) {
	const readableLength, placeLength = 13, 10
	uid, err := hex.DecodeString(strings.ReplaceAll(string(tenant.UID), "-", ""))
	if err != nil {
		return "", fmt.Errorf("uid %q: %w", tenant.UID, err)
	}
	place := sha256.Sum256([]byte(tenant.Namespace + "/" + tenant.Name))
	readable := tenant.Namespace + "-" + tenant.Name
	readable = strings.TrimRight(readable[:min(len(readable), readableLength)], "-.")
	return strings.Join([]string{readable, cluster, lowerBase32(place[:])[:placeLength], lowerBase32(uid)}, "-"), nil
}

func lowerBase32(data []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(data))
}
