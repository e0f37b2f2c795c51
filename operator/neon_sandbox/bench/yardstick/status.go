package main

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func appliedTier(tier *DatabaseTier) AppliedTier {
	return AppliedTier{Name: tier.Name, Generation: tier.Generation}
}

// readyStatus tells of a project and a Secret that were just made, in the operator's words.
func readyStatus(tenant *TenantDatabase, tier *DatabaseTier, made *CreatedProject) TenantStatus {
	endpoint := made.Endpoints[0]
	applied := appliedTier(tier)
	suspended := false
	condition := metav1.Condition{
		Status:             metav1.ConditionTrue,
		ObservedGeneration: tenant.Generation,
		LastTransitionTime: metav1.Now(),
		Reason:             "Provisioned",
		Message: fmt.Sprintf("The project stands within tier %s; the Secret %s logs in.",
			tier.Name, secretName(tenant)),
	}
	ready, available := condition, condition
	ready.Type, available.Type = "Ready", "Available"
	return TenantStatus{
		ObservedGeneration: tenant.Generation,
		Conditions:         []metav1.Condition{ready, available},
		ProjectID:          made.Project.ID,
		BranchID:           endpoint.BranchID,
		EndpointID:         endpoint.ID,
		Host:               endpoint.Host,
		Region:             made.Project.RegionID,
		PostgresVersion:    made.Project.PgVersion,
		Database:           databaseName,
		Tier:               &applied,
		Binding:            &Binding{Name: secretName(tenant)},
		Suspended:          &suspended,
	}
}
