package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "neontenants.io", Version: "v1alpha1"}

func addTypes(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &TenantDatabase{}, &TenantDatabaseList{}, &DatabaseTier{}, &DatabaseTierList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}

// TenantDatabase is what is read and written of a tenant; the whole of it stands in crds/.
type TenantDatabase struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              TenantSpec   `json:"spec"`
	Status            TenantStatus `json:"status,omitempty"`
}

// TenantSpec is what the tenant asks for.
type TenantSpec struct {
	Tier string `json:"tier"`
}

// TenantStatus is what the tenant has. What is empty is left out, so that a part of it is a patch.
type TenantStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	ProjectID          string             `json:"projectId,omitempty"`
	BranchID           string             `json:"branchId,omitempty"`
	EndpointID         string             `json:"endpointId,omitempty"`
	Host               string             `json:"host,omitempty"`
	Region             string             `json:"region,omitempty"`
	PostgresVersion    int                `json:"postgresVersion,omitempty"`
	Database           string             `json:"database,omitempty"`
	Tier               *AppliedTier       `json:"tier,omitempty"`
	Binding            *Binding           `json:"binding,omitempty"`
	Suspended          *bool              `json:"suspended,omitempty"`
	ResolvedIntent     string             `json:"resolvedIntent,omitempty"`
}

// AppliedTier is the tier that the project has the limits of.
type AppliedTier struct {
	Name       string `json:"name"`
	Generation int64  `json:"generation"`
}

// Binding names the Secret, as servicebinding.io wants it.
type Binding struct {
	Name string `json:"name"`
}

// DatabaseTier is what is read of a tier.
type DatabaseTier struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              TierSpec `json:"spec"`
}

// TierSpec is what a tier promises.
type TierSpec struct {
	Compute struct {
		MinCU        float64 `json:"minCU"`
		MaxCU        float64 `json:"maxCU"`
		SuspendAfter string  `json:"suspendAfter"`
	} `json:"compute"`
	Quota struct {
		ComputeTime      string `json:"computeTime"`
		ActiveTime       string `json:"activeTime"`
		StoragePerBranch string `json:"storagePerBranch"`
		WrittenData      string `json:"writtenData"`
		DataTransfer     string `json:"dataTransfer"`
	} `json:"quota"`
	HistoryRetention string   `json:"historyRetention"`
	Regions          []string `json:"regions"`
	PostgresVersions []int    `json:"postgresVersions"`
}

// TenantDatabaseList is what a list or a watch begins with.
type TenantDatabaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantDatabase `json:"items"`
}

// DatabaseTierList likewise.
type DatabaseTierList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatabaseTier `json:"items"`
}
