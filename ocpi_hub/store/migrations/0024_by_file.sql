-- Partners without OCPI: their tokens and CDRs come and go by file.

alter table platform
    drop constraint platform_state_check,
    drop constraint platform_resume_state_check,
    add constraint platform_state_check check (
        state in ('invited', 'connecting', 'connected', 'suspended', 'disconnected', 'by_file')),
    add constraint platform_resume_state_check check (
        resume_state in ('invited', 'connecting', 'connected', 'disconnected', 'by_file'));
