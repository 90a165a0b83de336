package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"ottla/tests/clients/go/line"
)

// maintenance is what a Client has for those who keep a cluster.
func (d driver) maintenance() map[string]line.Operation {
	return map[string]line.Operation{
		"replace_configs": d.replaceConfigs, "reset_config": d.alterConfig, "append_config": d.alterConfig, "subtract_config": d.alterConfig,
		"check_config": d.alterConfig, "check_topic": d.checkTopic, "check_partitions": d.createPartitions, "coordinator": d.coordinator,
		"group_offsets": d.groupOffsets, "remove_member": d.removeMember,
		"reassign": d.reassign, "create_acl": d.createACL, "delete_acls": d.deleteACLs,
	}
}

// resource tells whose configs are meant.
func resource(r line.Request) kafka.ResourceType {
	if r.Kind == "broker" {
		return kafka.ResourceTypeBroker
	}
	return kafka.ResourceTypeTopic
}

func (d driver) replaceConfigs(r line.Request) (any, error) {
	configs := []kafka.AlterConfigRequestConfig{}
	for name, value := range r.Configs {
		configs = append(configs, kafka.AlterConfigRequestConfig{Name: name, Value: value})
	}
	answer, err := d.client.AlterConfigs(context.Background(), &kafka.AlterConfigsRequest{
		Resources: []kafka.AlterConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: r.Topic, Configs: configs}}})
	if err != nil {
		return nil, err
	}
	for _, failed := range answer.Errors {
		err = errors.Join(err, failed)
	}
	return nil, err
}

func (d driver) checkTopic(r line.Request) (any, error) {
	answer, err := d.client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: r.Topic, NumPartitions: r.Partitions, ReplicationFactor: 1}}, ValidateOnly: true})
	if err != nil {
		return nil, err
	}
	return nil, answer.Errors[r.Topic]
}

func (d driver) groupOffsets(r line.Request) (any, error) {
	all, err := d.client.ConsumerOffsets(context.Background(), kafka.TopicAndGroup{Topic: r.Topic, GroupId: r.Group})
	found := map[int]int64{}
	for partition, offset := range all {
		if offset >= 0 {
			found[partition] = offset
		}
	}
	return found, err
}

func (d driver) coordinator(r line.Request) (any, error) {
	answer, err := d.client.FindCoordinator(context.Background(), &kafka.FindCoordinatorRequest{
		Addr: d.client.Addr, Key: r.Group, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err != nil {
		return nil, err
	}
	return answer.Coordinator.NodeID, answer.Error
}

func (d driver) removeMember(r line.Request) (any, error) {
	answer, err := d.client.LeaveGroup(context.Background(), &kafka.LeaveGroupRequest{
		GroupID: r.Group, Members: []kafka.LeaveGroupRequestMember{{GroupInstanceID: r.Instance}}})
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(answer.Error, answer.Members[0].Error)
}

func (d driver) reassign(r line.Request) (any, error) {
	brokers := []int{}
	for _, one := range r.Replicas {
		brokers = append(brokers, int(one))
	}
	answer, err := d.client.AlterPartitionReassignments(context.Background(), &kafka.AlterPartitionReassignmentsRequest{
		Topic: r.Topic, Timeout: 10 * time.Second,
		Assignments: []kafka.AlterPartitionReassignmentsRequestAssignment{{PartitionID: int(r.Partition), BrokerIDs: brokers}}})
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(answer.Error, answer.PartitionResults[0].Error)
}

func (d driver) createACL(line.Request) (any, error) {
	answer, err := d.client.CreateACLs(context.Background(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: "any", ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: "User:me", Host: "*", Operation: kafka.ACLOperationTypeRead, PermissionType: kafka.ACLPermissionTypeAllow}}})
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(answer.Errors...)
}

func (d driver) deleteACLs(line.Request) (any, error) {
	answer, err := d.client.DeleteACLs(context.Background(), &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
		ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny,
		Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny}}})
	if err != nil {
		return nil, err
	}
	return len(answer.Results[0].MatchingACLs), answer.Results[0].Error
}
