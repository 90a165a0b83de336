package main

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/tests/clients/go/line"
)

// maintenance is what kadm has for those who keep a cluster.
func (d driver) maintenance() map[string]line.Operation {
	return map[string]line.Operation{
		"replace_configs": d.replaceConfigs, "reset_config": d.alterConfig, "append_config": d.alterConfig, "subtract_config": d.alterConfig,
		"check_config": d.alterConfig, "check_topic": d.checkTopic, "check_partitions": d.createPartitions, "list_offsets": d.listOffsets,
		"group_offsets": d.groupOffsets, "set_group_offset": d.setGroupOffset, "remove_member": d.removeMember, "groups_in_state": d.groupsInState,
		"groups_of_type": d.groupsOfType, "consumer_group": d.consumerGroup, "coordinator": d.coordinator, "lag": d.lag,
		"group_offsets_by_id": d.groupOffsetsByID, "set_group_offset_by_id": d.setGroupOffsetByID,
		"reassign": d.reassign, "create_acl": d.createACL, "delete_acls": d.deleteACLs, "producers": d.producers,
		"features": d.features, "update_feature": d.updateFeature, "metrics_subscriptions": d.metricsSubscriptions, "end_of_epoch": d.endOfEpoch,
	}
}

func altered(answers kadm.AlterConfigsResponses, err error) (any, error) {
	for _, one := range answers {
		err = errors.Join(err, one.Err)
	}
	return nil, err
}

func (d driver) replaceConfigs(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		configs := []kadm.AlterConfig{}
		for name, value := range r.Configs {
			configs = append(configs, kadm.AlterConfig{Name: name, Value: &value})
		}
		return altered(admin.AlterTopicConfigsState(ctx, configs, r.Topic))
	})
}

func (d driver) checkTopic(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		answers, err := admin.ValidateCreateTopics(ctx, int32(r.Partitions), -1, nil, r.Topic)
		return nil, errors.Join(err, answers.Error())
	})
}

func (d driver) listOffsets(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found := []int64{}
		for _, list := range []func(context.Context, ...string) (kadm.ListedOffsets, error){
			admin.ListStartOffsets, admin.ListEndOffsets, admin.ListMaxTimestampOffsets} {
			listed, err := list(ctx, r.Topic)
			if err := errors.Join(err, listed.Error()); err != nil {
				return nil, err
			}
			found = append(found, listed[r.Topic][r.Partition].Offset)
		}
		return found, nil
	})
}

func (d driver) groupOffsets(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found := map[int32]int64{}
		answers, err := admin.FetchOffsets(ctx, r.Group)
		answers.Each(func(one kadm.OffsetResponse) {
			err = errors.Join(err, one.Err)
			found[one.Partition] = one.At
		})
		return found, err
	})
}

func (d driver) setGroupOffset(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		offsets := kadm.Offsets{}
		offsets.AddOffset(r.Topic, r.Partition, r.Offset, -1)
		answers, err := admin.CommitOffsets(ctx, r.Group, offsets)
		return nil, errors.Join(err, answers.Error())
	})
}

func (d driver) removeMember(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		answers, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(r.Group).InstanceIDs(r.Instance))
		return nil, errors.Join(err, answers.Error())
	})
}

func (d driver) groupsInState(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListGroups(ctx, r.State)
		return found.Groups(), err
	})
}

func (d driver) groupsOfType(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListGroupsByType(ctx, []string{r.Type})
		return found.Groups(), err
	})
}

// consumerGroup describes a group of the consumer protocol (KIP-848).
func (d driver) consumerGroup(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.DescribeConsumerGroups(ctx, r.Group)
		one := found[r.Group]
		return map[string]any{"state": one.State, "members": len(one.Members)}, errors.Join(err, one.Err)
	})
}

func (d driver) coordinator(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		one := admin.FindGroupCoordinators(ctx, r.Group)[r.Group]
		return one.NodeID, one.Err
	})
}

func (d driver) lag(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.Lag(ctx, r.Group)
		one := found[r.Group]
		return one.Lag.Total(), errors.Join(err, one.Error())
	})
}

// idOf asks for a topic's id.
func idOf(ctx context.Context, admin *kadm.Client, topic string) (kadm.TopicID, error) {
	found, err := admin.ListTopics(ctx, topic)
	return found[topic].ID, errors.Join(err, found[topic].Err)
}

func (d driver) groupOffsetsByID(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		id, err := idOf(ctx, admin, r.Topic)
		if err != nil {
			return nil, err
		}
		answers, err := admin.FetchOffsetsByID(ctx, r.Group)
		found := map[int32]int64{}
		for partition, one := range answers[id] {
			found[partition] = one.At
		}
		return found, errors.Join(err, answers.Error())
	})
}

func (d driver) setGroupOffsetByID(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		id, err := idOf(ctx, admin, r.Topic)
		if err != nil {
			return nil, err
		}
		return nil, admin.CommitAllOffsetsByID(ctx, r.Group, kadm.OffsetsByID{id: {r.Partition: {Partition: r.Partition, At: r.Offset, LeaderEpoch: -1}}})
	})
}

func (d driver) reassign(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		wanted := kadm.AlterPartitionAssignmentsReq{}
		if len(r.Replicas) == 0 {
			wanted.CancelAssign(r.Topic, r.Partition)
		} else {
			wanted.Assign(r.Topic, r.Partition, r.Replicas)
		}
		answers, err := admin.AlterPartitionAssignments(ctx, wanted)
		return nil, errors.Join(err, answers.Error())
	})
}

func (d driver) createACL(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		acl := kadm.NewACLs().Topics("any").Allow("User:me").AllowHosts().Operations(kadm.OpRead)
		answers, err := admin.CreateACLs(ctx, acl)
		for _, one := range answers {
			err = errors.Join(err, one.Err)
		}
		return nil, err
	})
}

func (d driver) deleteACLs(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		everything := kadm.NewACLs().AnyResource().Allow().AllowHosts().Deny().DenyHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny)
		answers, err := admin.DeleteACLs(ctx, everything)
		for _, one := range answers {
			err = errors.Join(err, one.Err)
		}
		return len(answers), err
	})
}

func (d driver) producers(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		wanted := kadm.TopicsSet{}
		wanted.Add(r.Topic, r.Partition)
		answers, err := admin.DescribeProducers(ctx, wanted)
		one := answers[r.Topic].Partitions[r.Partition]
		sequences := []int32{}
		for _, producer := range one.ActiveProducers {
			sequences = append(sequences, producer.LastSequence)
		}
		return sequences, errors.Join(err, one.Err)
	})
}

// The features are in what ApiVersions answers; kadm hands over the answer as it came.
func (d driver) features(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		answers, err := admin.ApiVersions(ctx)
		found := map[string]int16{}
		answers.Each(func(one kadm.BrokerApiVersions) {
			err = errors.Join(err, one.Err)
			for _, feature := range one.Raw().FinalizedFeatures {
				found[feature.Name] = feature.MaxVersionLevel
			}
		})
		return found, err
	})
}

func (d driver) updateFeature(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		answers, err := admin.UpdateFeatures(ctx, false, kadm.FeatureUpdate{Feature: r.Feature, MaxVersionLevel: r.Level, UpgradeType: 1})
		return nil, errors.Join(err, answers.Error())
	})
}

func (d driver) metricsSubscriptions(line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		found, err := admin.ListConfigResources(ctx, kmsg.ConfigResourceTypeClientMetrics)
		return found.Names(), errors.Join(err, found.Err)
	})
}

// endOfEpoch answers with the end offset of a leader epoch; there is but the first.
func (d driver) endOfEpoch(r line.Request) (any, error) {
	return d.admin(func(ctx context.Context, admin *kadm.Client) (any, error) {
		wanted := kadm.OffsetForLeaderEpochRequest{}
		wanted.Add(r.Topic, r.Partition, 0)
		answers, err := admin.OffsetForLeaderEpoch(ctx, wanted)
		one := answers[r.Topic][r.Partition]
		return one.EndOffset, errors.Join(err, one.Err)
	})
}
