package main

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
)

// What controller-gen would generate, by hand: it is little, and no tool has to be pinned.

// DeepCopyInto copies all that a pointer or a slice would share.
func (t *TenantDatabase) DeepCopyInto(out *TenantDatabase) {
	*out = *t
	t.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = slices.Clone(t.Status.Conditions)
	out.Status.Tier = clone(t.Status.Tier)
	out.Status.Binding = clone(t.Status.Binding)
	out.Status.Suspended = clone(t.Status.Suspended)
}

// DeepCopyObject makes it a runtime.Object.
func (t *TenantDatabase) DeepCopyObject() runtime.Object {
	out := &TenantDatabase{}
	t.DeepCopyInto(out)
	return out
}

// DeepCopyInto copies all that a slice would share.
func (t *DatabaseTier) DeepCopyInto(out *DatabaseTier) {
	*out = *t
	t.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Regions = slices.Clone(t.Spec.Regions)
	out.Spec.PostgresVersions = slices.Clone(t.Spec.PostgresVersions)
}

// DeepCopyObject makes it a runtime.Object.
func (t *DatabaseTier) DeepCopyObject() runtime.Object {
	out := &DatabaseTier{}
	t.DeepCopyInto(out)
	return out
}

// DeepCopyObject makes it a runtime.Object.
func (l *TenantDatabaseList) DeepCopyObject() runtime.Object {
	out := &TenantDatabaseList{TypeMeta: l.TypeMeta, Items: make([]TenantDatabase, len(l.Items))}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

// DeepCopyObject makes it a runtime.Object.
func (l *DatabaseTierList) DeepCopyObject() runtime.Object {
	out := &DatabaseTierList{TypeMeta: l.TypeMeta, Items: make([]DatabaseTier, len(l.Items))}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

func clone[T any](value *T) *T {
	if value == nil {
		return nil
	}
	copied := *value
	return &copied
}
