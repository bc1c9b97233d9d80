"""The public names of other programs, which the pages about moving from them must contain."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


APPDAEMON = _names("""
add_entity add_namespace android_tts anyone_home app_config app_dir area_devices area_entities area_id area_name
areas backup_full backup_partial call_service callback_counter cancel_listen_event cancel_listen_log
cancel_listen_state cancel_sequence cancel_timer check_for_entity config_dir config_model
constrain_input_boolean constrain_input_select constrain_person constrain_presence convert_utc create_task
dash_navigate date datetime depends_on_module deregister_constraint deregister_endpoint deregister_route
deregister_service device_attr device_entities device_id entities entity_exists error everyone_home fire_event
format_alexa_response format_dialogflow_response friendly_name get_ad_api get_ad_version get_alexa_error
get_alexa_intent get_alexa_slot_value get_app get_app_pin get_app_python_dependencies get_calendar_events
get_callback_entries get_dialogflow_intent get_dialogflow_slot_value get_entity get_entity_callbacks
get_error_log get_history get_logbook get_main_log get_namespace get_now get_now_ts get_pin_thread
get_plugin_api get_plugin_config get_scheduler_entries get_service_info get_state get_thread_info get_timezone
get_tracker_details get_tracker_state get_trackers get_tz_offset get_user_log global_vars info_listen_event
info_listen_state info_timer integration_entities is_client_connected is_device_attr label_areas label_devices
label_entities label_id label_name labels last_pressed list_namespaces list_services listen_event listen_log
listen_notification_action listen_state log media_mute media_pause media_play media_play_pause media_seek
media_set_volume mqtt_publish mqtt_subscribe mqtt_unsubscribe name namespace namespace_exists noone_home notify
notify_android notify_ios now_is_between parse_datetime parse_time parse_utc_string persistent_notification ping
plugin_config press_button process_conversation register_constraint register_endpoint register_route
register_service reload_apps reload_conversation remove_entity remove_namespace render_template reset_timer
restart_app restore_full restore_partial run_at run_at_sunrise run_at_sunset run_daily run_every run_hourly
run_in run_in_executor run_in_thread run_minutely run_once run_script run_sequence save_namespace select_first
select_last select_next select_option select_previous set_app_pin set_error_level set_log_level set_namespace
set_options set_pin_thread set_production_mode set_state set_textvalue set_value sleep split_device_list
split_entity start_app stop_app submit_to_executor sun_down sun_up sunrise sunset time time_since_last_press
timer_running toggle turn_off turn_on
""")
"""Members of `ADBase`, `ADAPI`, `Hass` and `Mqtt` of AppDaemon 4.5.13."""

APPDAEMON_ENTITY = _names("""
add attributes call_service copy entity_id entity_state_changed exists friendly_name get_state is_on is_state
last_changed last_changed_delta last_changed_delta_str last_changed_seconds listen_state set_namespace set_state
state toggle turn_off turn_on wait_state
""")
"""Members of `Entity` of AppDaemon 4.5.13, the result of `get_entity`."""

APPDAEMON_FILES = _names("""
initialize terminate hassapi adbase mqttapi app_lock global_lock disable dependencies priority
global_dependencies exclude_dirs pin_app pin_thread log_level log secret include env_var constrain_start_time
constrain_end_time constrain_days constrain_input_boolean constrain_input_select constrain_person
constrain_state duration immediate oneshot timeout attribute random_start random_end
""")
"""Hooks, modules, decorators, keys of ``apps.yaml`` and options of AppDaemon 4.5.13."""

HASSETTE_060 = _names("""
add_job add_listener after_initialize after_initialize_sync after_shutdown after_shutdown_sync app_config
app_key before_initialize before_initialize_sync before_shutdown before_shutdown_sync cache call_service cleanup
delete_entity delete_rest_request emit entity_exists fire_event get_attribute get_calendar_events get_calendars
get_camera_image get_config get_entity get_entity_or_none get_histories get_history get_listeners get_logbook
get_notify_services get_panels get_rest_request get_services get_state get_state_or_none get_state_raw
get_state_value get_states get_states_raw hassette helpers instance_name list_jobs notify now on on_app_running
on_app_state_changed on_app_stopping on_attribute_change on_call_service on_component_loaded on_error
on_hassette_service_crashed on_hassette_service_failed on_hassette_service_started on_hassette_service_status
on_homeassistant_restart on_homeassistant_start on_homeassistant_stop on_initialize on_initialize_sync
on_service_registered on_shutdown on_shutdown_sync on_state_change on_websocket_connected
on_websocket_disconnected post_rest_request register remove_all_jobs remove_all_listeners remove_group
remove_job remove_listener render_template rest_request run_cron run_daily run_every run_hourly run_in
run_minutely run_once schedule set_state task_bucket toggle turn_off turn_on unique_name wait_for
ws_send_and_wait ws_send_json
""")
"""Members of `App`, `AppSync`, `Bus`, `Scheduler` and `Api` of hassette 0.60.0, without those of its base classes."""

PYSCRIPT = _names("""
state_trigger state_active time_trigger time_active event_trigger mqtt_trigger webhook_trigger task_unique service
pyscript_compile pyscript_executor get getattr setattr set delete names exist persist create cancel current_task
executor name2id sleep unique wait wait_until add_done_callback remove_done_callback call has_service fire debug
info warning error print get_global_ctx set_global_ctx list_global_ctx reload app_config hass state_hold
state_check_now state_hold_false hold_off kill_me trigger_type trigger_time var_name value old_value context
""")
"""Decorators, functions and arguments of pyscript 1.6, without the names of their objects, such as ``state``."""
