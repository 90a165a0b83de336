package main

import (
	"errors"

	"github.com/IBM/sarama"

	"ottla/tests/clients/go/line"
)

// maintenance is what a ClusterAdmin has for those who keep a cluster.
func (d driver) maintenance() map[string]line.Operation {
	return map[string]line.Operation{
		"replace_configs": d.replaceConfigs, "reset_config": d.alterConfig, "append_config": d.alterConfig, "subtract_config": d.alterConfig,
		"check_config": d.alterConfig, "check_topic": d.checkTopic, "check_partitions": d.createPartitions, "list_offsets": d.listOffsets,
		"group_offsets": d.groupOffsets, "set_group_offset": d.setGroupOffset, "remove_member": d.removeMember,
		"reassign": d.reassign, "create_acl": d.createACL, "delete_acls": d.deleteACLs, "update_feature": d.updateFeature,
		"describe_topic": d.describeTopic, "set_configs": d.setConfigs, "coordinator": d.coordinator,
	}
}

// resource tells whose configs are meant.
func resource(r line.Request) sarama.ConfigResourceType {
	if r.Kind == "broker" {
		return sarama.BrokerResource
	}
	return sarama.TopicResource
}

func (d driver) replaceConfigs(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		configs := map[string]*string{}
		for name, value := range r.Configs {
			configs[name] = &value
		}
		return nil, admin.AlterConfig(sarama.TopicResource, r.Topic, configs, false)
	})
}

func (d driver) checkTopic(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		return nil, admin.CreateTopic(r.Topic, &sarama.TopicDetail{NumPartitions: int32(r.Partitions), ReplicationFactor: 1}, true)
	})
}

func (d driver) describeTopic(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.DescribeTopics([]string{r.Topic})
		if err != nil {
			return nil, err
		}
		if found[0].Err != sarama.ErrNoError {
			return nil, found[0].Err
		}
		leaders := make([]int32, len(found[0].Partitions))
		for _, one := range found[0].Partitions {
			leaders[one.ID] = one.Leader
		}
		return leaders, nil
	})
}

// setConfigs are what its list of topics tells of each: the configs that were set.
func (d driver) setConfigs(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.ListTopics()
		return found[r.Topic].ConfigEntries, err
	})
}

func (d driver) coordinator(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.Coordinator(r.Group)
		if err != nil {
			return nil, err
		}
		return found.ID(), nil
	})
}

func (d driver) listOffsets(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found := []int64{}
		for _, which := range []int64{sarama.OffsetOldest, sarama.OffsetNewest} {
			listed, err := admin.ListOffsets(map[string]map[int32]int64{r.Topic: {r.Partition: which}}, nil)
			if err != nil {
				return nil, err
			}
			one := listed[r.Topic][r.Partition]
			if !errors.Is(one.Err, sarama.ErrNoError) {
				return nil, one.Err
			}
			found = append(found, one.Offset)
		}
		return found, nil
	})
}

func (d driver) groupOffsets(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		answer, err := admin.ListConsumerGroupOffsets(r.Group, map[string][]int32{r.Topic: {0, 1}})
		if err != nil {
			return nil, err
		}
		found := map[int32]int64{}
		for partition, one := range answer.Blocks[r.Topic] {
			if one.Err != sarama.ErrNoError {
				return nil, one.Err
			}
			if one.Offset >= 0 {
				found[partition] = one.Offset
			}
		}
		return found, nil
	})
}

func (d driver) setGroupOffset(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		offsets := map[string]map[int32]sarama.OffsetAndMetadata{r.Topic: {r.Partition: {Offset: r.Offset}}}
		answer, err := admin.AlterConsumerGroupOffsets(r.Group, offsets, nil)
		if err != nil {
			return nil, err
		}
		if code := answer.Errors[r.Topic][r.Partition]; code != sarama.ErrNoError {
			return nil, code
		}
		return nil, nil
	})
}

func (d driver) removeMember(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		answer, err := admin.RemoveMemberFromConsumerGroup(r.Group, []string{r.Instance})
		if err != nil {
			return nil, err
		}
		if answer.Members[0].Err != sarama.ErrNoError {
			return nil, answer.Members[0].Err
		}
		return nil, nil
	})
}

// It takes all partitions of a topic: this is the first of them.
func (d driver) reassign(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		return nil, admin.AlterPartitionReassignments(r.Topic, [][]int32{r.Replicas})
	})
}

func (d driver) createACL(line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		return nil, admin.CreateACL(
			sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: "any", ResourcePatternType: sarama.AclPatternLiteral},
			sarama.Acl{Principal: "User:me", Host: "*", Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow})
	})
}

func (d driver) deleteACLs(line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		found, err := admin.DeleteACL(sarama.AclFilter{
			ResourceType: sarama.AclResourceAny, ResourcePatternTypeFilter: sarama.AclPatternAny,
			Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny}, false)
		return len(found), err
	})
}

func (d driver) updateFeature(r line.Request) (any, error) {
	return d.admin(func(admin sarama.ClusterAdmin) (any, error) {
		results, err := admin.UpdateFeatures([]sarama.FeatureUpdate{{Feature: r.Feature, MaxVersionLevel: r.Level}})
		for _, one := range results {
			if one.ErrorCode != sarama.ErrNoError {
				return nil, one.ErrorCode
			}
		}
		return nil, err
	})
}
